//! A host that fetches `acme/site`, and nothing else.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use berth_core::{CommitSha, Config, Layout, NixFiles, PullNumber, RepoName};
use jiff::Timestamp;
use tempfile::TempDir;

use super::super::super::{DeployError, Source, deploy};
use crate::fake::FakeWorld;
use crate::github::{FakeGitHub, OnDemand};
use crate::host::Host;
use crate::lock::Locks;
use crate::progress::{Interrupt, Progress, Silent};
use crate::repos::Wanted;
use crate::state::State;

/// An App for github.com.
pub(super) const GITHUB: &str = r#"
    [github]
    app_id = 4242
    app_key = "/none/app.pem"
    webhook_secret = "/none/webhook"
    repositories = ["acme/*"]
"#;

pub(super) struct Bed {
    pub(super) world: FakeWorld,
    pub(super) host: Host,
    _folder: TempDir,
}

pub(super) fn site() -> RepoName {
    "acme/site".parse().expect("a repository")
}

pub(super) fn pull() -> PullNumber {
    "1".parse().expect("a number")
}

impl Bed {
    /// `acme/site` has a branch `main` and a pull request; GitHub shows it. The
    /// configuration goes on behind `preview.domain`; `TOKEN` is a file.
    pub(super) async fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let token = folder.path().join("token");
        fs::write(&token, "token-of-the-forge\n").expect("written");
        let config = config.replace("TOKEN", &token.display().to_string());
        let config = Config::parse(&format!("[preview]\ndomain = \"example.com\"\n{config}"));
        let world = FakeWorld::new(&layout);
        let mut tools = world.tools();
        tools.github = OnDemand::opened(Arc::new(FakeGitHub::new(&world)));
        world.github_has(&site());
        for wanted in [Wanted::Branch("main".parse().expect("a branch")), Wanted::Pull(pull())] {
            let commit = "1".repeat(40).parse().expect("a commit");
            world.push(&site(), &wanted, &commit, NixFiles::default());
        }
        let host = Host {
            state: State::open(&layout).await.expect("a database"),
            locks: Locks::new(&layout),
            tools,
            config: config.unwrap_or_else(|error| panic!("{error}")),
            layout,
            now: Timestamp::now,
        };
        Self { world, host, _folder: folder }
    }

    pub(super) async fn fetch(&self, branch: &str) -> Result<CommitSha, DeployError> {
        self.fetch_until(branch, None, &Silent, &Interrupt::new().1).await
    }

    pub(super) async fn fetch_pull(&self, pull: PullNumber) -> Result<CommitSha, DeployError> {
        self.fetch_until("fix", Some(pull), &Silent, &Interrupt::new().1).await
    }

    /// Fetches, and interrupts it where it hangs.
    pub(super) async fn fetch_interrupted(&self, branch: &str) -> Result<CommitSha, DeployError> {
        let (interrupter, interrupt) = Interrupt::new();
        let interrupting = async {
            self.hang().await;
            interrupter.interrupt();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            fetched = self.fetch_until(branch, None, &Silent, &interrupt) => fetched,
            () = interrupting => unreachable!("it never ends"),
        }
    }

    pub(super) async fn fetch_until(
        &self,
        branch: &str,
        pull: Option<PullNumber>,
        progress: &dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<CommitSha, DeployError> {
        let source = Source { repo: site(), branch: branch.parse().expect("a branch"), pull, commit: None };
        let repository = self.host.state.repository_number(&source.repo, Timestamp::now()).await;
        let repository = repository.expect("a number");
        let config = self.host.config.preview.as_ref().expect("the section");
        deploy::fetch(&self.host, config, repository, &source, None, progress, interrupt).await
    }

    /// Ends when some call hangs.
    pub(super) async fn hang(&self) {
        while !self.world.is_hanging() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What each fetch had to show.
    pub(super) fn shown(&self) -> Vec<String> {
        let tokens = self.world.fetch_tokens().into_iter();
        tokens.map(|token| token.unwrap_or_else(|| "none".to_owned())).collect()
    }

    /// What GitHub was asked.
    pub(super) fn asked(&self) -> Vec<String> {
        self.world.calls().into_iter().filter(|call| call.starts_with("github.")).collect()
    }
}
