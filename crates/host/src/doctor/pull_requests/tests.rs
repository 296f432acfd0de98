//! Findings about GitHub, secrets and `berthd`.

use std::sync::Arc;

use berth_core::{Config, RepoName};
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::fake::FakeWorld;
use crate::github::{FakeGitHub, OnDemand};
use crate::lock::Locks;
use crate::state::State;

struct Bed {
    folder: TempDir,
    world: FakeWorld,
    host: Host,
}

impl Bed {
    /// A host with these repositories and a secret that root alone can read.
    async fn new(repositories: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let file = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "[github]\ntoken = \"{}\"\nwebhook_secret = \"{}\"\nrepositories = {repositories}\n\
             [preview]\ndomain = \"example.com\"\n",
            file("token"),
            file("webhook")
        );
        let world = FakeWorld::new(&layout);
        let mut tools = world.tools();
        tools.github = OnDemand::opened(Arc::new(FakeGitHub::new(&world)));
        let host = Host {
            state: State::open(&layout).await.expect("a database"),
            locks: Locks::new(&layout),
            tools,
            config: Config::parse(&text).unwrap_or_else(|error| panic!("{error}")),
            layout,
            now: Timestamp::now,
        };
        let bed = Self { folder, world, host };
        bed.write("token", "ghp_poison", 0o600);
        bed.write("webhook", "poison-poison-poison", 0o600);
        bed
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
    }

    fn config(&self) -> &GitHubConfig {
        self.host.config.github.as_ref().expect("the section")
    }

    /// As lines, without where the test's files are.
    fn told(&self, findings: &[Finding]) -> String {
        let line = |finding: &Finding| {
            let way_out = finding.way_out.as_deref().map(|way| format!("\n  -> {way}")).unwrap_or_default();
            format!("{:?}: {}{way_out}\n", finding.severity, finding.message)
        };
        let text: String = findings.iter().map(line).collect();
        assert!(!text.contains("poison"), "{text}");
        text.replace(&self.folder.path().display().to_string(), "")
    }

    async fn github(&self) -> String {
        self.told(&github(&self.host, self.config()).await)
    }
}

fn repo(name: &str) -> RepoName {
    name.parse().expect("a repository")
}

#[tokio::test]
async fn where_no_pull_requests_are_followed_nothing_is_said() {
    let mut bed = Bed::new("[\"acme/*\"]").await;
    bed.host.config.preview = None;
    insta::assert_snapshot!(bed.told(&check(&bed.host).await), @r"
    Error: `[github]` is set and `[preview]` is not: no pull request is followed
      -> add the section `[preview]` with its `domain`
    ");
    bed.host.config.github = None;
    assert_eq!(check(&bed.host).await, []);
}

#[tokio::test]
async fn github_is_asked_for_every_entry_of_the_list() {
    let bed = Bed::new("[\"acme/*\", \"other/one\", \"empty/*\"]").await;
    for name in ["acme/site", "acme/shop", "other/one"] {
        bed.world.github_has(&repo(name));
    }
    insta::assert_snapshot!(bed.github().await, @r"
    Warning: it shows no repository of `empty`
      -> give the App or the token access to repositories of that account
    ");
    bed.world.github_has(&repo("empty/site"));
    assert_eq!(bed.github().await, "Ok: it shows 4 repositories\n");
    bed.world.github_hides(&repo("other/one"));
    let hidden = bed.github().await;
    assert!(hidden.starts_with("Error: GitHub has no ") && hidden.contains("other/one"), "{hidden}");
    bed.world.github_has(&repo("other/one"));
    bed.world.github_limits(Some("2100-01-01T00:00:00Z".parse().expect("a time")));
    let limited = bed.github().await;
    assert!(limited.starts_with("Warning: GitHub takes no more calls until 2100"), "{limited}");
}

#[tokio::test]
async fn secrets_that_are_missing_short_or_open_are_told_and_not_shown() {
    let bed = Bed::new("[\"acme/*\"]").await;
    let told = || bed.told(&secrets(bed.config()));
    assert_eq!(told(), "Ok: it can be read by root alone\n");
    bed.write("webhook", "poison", 0o644);
    bed.write("token", "ghp_poison", 0o640);
    insta::assert_snapshot!(told(), @r"
    Error: `/webhook`: the secret has 6 bytes: take at least 16, such as from `openssl rand -hex 32`
      -> put the secret of the webhook there, the same as on GitHub, and restart both programs
    Error: `/token` is open to others than its owner
      -> `chmod 600 /token`, and replace what is in it
    Error: `/webhook` is open to others than its owner
      -> `chmod 600 /webhook`, and replace what is in it
    ");
    fs::remove_file(bed.folder.path().join("webhook")).expect("removed");
    assert!(told().contains("`/webhook` cannot be read"), "{}", told());
}

#[tokio::test]
async fn a_daemon_that_does_not_run_is_told() {
    let bed = Bed::new("[\"acme/*\"]").await;
    insta::assert_snapshot!(bed.told(&[daemon(&bed.host.layout).await]), @r"
    Error: it does not run: no pull request is followed, and nothing is started after a reboot
      -> `systemctl enable --now berthd`, and look at its log if it ends
    ");
    let since = "2026-11-21T10:00:00Z".parse().expect("a time");
    let runs = daemon_says(Ok(Some(Answer::Status { since, doing: Vec::new() })));
    assert_eq!(bed.told(&[runs]), "Ok: it runs since 2026-11-21 10:00:00 UTC and works on 0 pull requests\n");
}
