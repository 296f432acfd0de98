//! What people ask for on a pull request: commands, labels, drafts; and what
//! they are told when a deployment fails.

use berth_e2e::double::Role;
use berth_e2e::{Files, MEMBER, PullHost, PullRequest, SharedPullHost, Value, fixture, json, preview};

static HOST: SharedPullHost = SharedPullHost::booted_by(host);

const SECRET: &str = "s3cret/of the host+0123456789";
const SECRET_FILE: &str = "/etc/berth/secrets/api-key";
const CONFIGURATION: &str = r#"
[[preview.secret]]
name = "API_KEY"
source = "/etc/berth/secrets/api-key"
repositories = ["acme/fails"]
"#;

/// A host that skips drafts.
fn host() -> PullHost {
    let host = PullHost::boot_with("commands", CONFIGURATION, "workers = 4");
    host.write_file(SECRET_FILE, SECRET, 0o600);
    let configuration = host.read_file("/etc/berth/berth.toml");
    let configuration = configuration.replace("[github]\n", "[github]\ndrafts = \"skip\"\n");
    host.write_file("/etc/berth/berth.toml", configuration, 0o644);
    host.command("systemctl").args(["restart", "berthd"]).ok();
    host
}

/// The pull request with its preview, if it has one.
struct Seen<'a> {
    host: &'a PullHost,
    pull: &'a PullRequest,
}

impl Seen<'_> {
    #[track_caller]
    fn serves(&self, page: &str) {
        self.host.settles(self.pull);
        assert_eq!(self.host.page(&self.pull.slug(), "/").as_deref(), Some(page), "{}", self.pull.says());
        assert!(self.pull.says().contains("### Preview: ready"), "{}", self.pull.says());
    }

    #[track_caller]
    fn is_gone(&self, told: &str) {
        self.host.settles(self.pull);
        assert!(!self.host.slugs().contains(&self.pull.slug()), "{}", self.pull.says());
        assert!(self.pull.says().contains(told), "not {told:?}: {}", self.pull.says());
    }

    /// A text that `preview info` tells.
    #[track_caller]
    fn field(&self, key: &str) -> String {
        let info = json(&preview(self.host, &["info", "--json", &self.pull.slug()]).ok());
        info[key].as_str().unwrap_or_else(|| panic!("no {key}: {info}")).to_owned()
    }

    fn comment(&self, by: &str, text: &str) -> u64 {
        let comment = self.pull.comment(by, text);
        self.host.settles(self.pull);
        comment
    }
}

#[test]
fn commands_are_carried_out_for_who_may_write_and_for_nobody_else() {
    let host = HOST.get();
    let github = host.github();
    let repo = github.repository("acme/commands", &fixture("static"));
    github.role(&repo, "reader", Role::Read);
    github.push(&repo, "fix", &[("index.html", "two\n")]);
    let pull = github.open(&repo, "fix");
    let seen = Seen { host: &host, pull: &pull };
    seen.serves("two\n");

    let container = seen.field("container");
    let strangers =
        ["/preview rebuild", "/preview destroy", "/preview"].map(|line| pull.comment("reader", line));
    seen.serves("two\n");
    assert_eq!(strangers.map(|comment| pull.reactions(comment)), ["confused"; 3].map(|one| [one]));
    let refused = "`/preview` of `reader` was not carried out: it needs write permission on `acme/commands`";
    assert!(pull.says().contains(refused), "{}", pull.says());
    let talk = pull.comment(MEMBER, "> /preview destroy\n\nshould we? Or `/preview rebuild`?");
    let malformed = pull.comment(MEMBER, "/preview destroy everything");
    seen.serves("two\n");
    assert_eq!((pull.reactions(talk), pull.reactions(malformed)), (vec![], vec!["confused".to_owned()]));
    assert!(
        pull.says().contains("`/preview destroy everything` of `ada` was not carried out"),
        "{}",
        pull.says()
    );
    assert_eq!(seen.field("container"), container, "nobody who may has asked for anything");
    let nothing = seen.comment(MEMBER, "/preview");
    assert_eq!(seen.field("container"), container, "there is nothing to do");
    assert_eq!(pull.reactions(nothing), ["+1"]);

    seen.comment(MEMBER, "Once more, please:\n\n/preview rebuild\n");
    seen.serves("two\n");
    assert_ne!(seen.field("container"), container);

    pull.comment(MEMBER, "/preview destroy");
    seen.is_gone("### Preview: removed");
    // It stays away, whatever happens but a push or a wish.
    seen.comment("reader", "/preview");
    pull.label("bug", MEMBER);
    pull.draft(true);
    pull.draft(false);
    seen.is_gone("### Preview: removed");
    pull.comment(MEMBER, "/preview");
    seen.serves("two\n");

    pull.comment(MEMBER, "/preview destroy");
    seen.is_gone("### Preview: removed");
    github.push(&repo, "fix", &[("index.html", "three\n")]);
    seen.serves("three\n");

    pull.close();
    seen.is_gone("### Preview: removed");
    // Nobody deploys what is closed.
    pull.comment(MEMBER, "/preview rebuild");
    seen.is_gone("### Preview: removed");
    pull.reopen();
    seen.serves("three\n");
}

#[test]
fn drafts_and_labels_decide_whether_there_is_a_preview() {
    let host = HOST.get();
    let github = host.github();
    let repo = github.repository("acme/drafts", &fixture("static"));
    let commit = github.push(&repo, "fix", &[("index.html", "two\n")]);
    let pull = github.open_from(&repo, None, "fix", MEMBER, true);
    let seen = Seen { host: &host, pull: &pull };
    seen.is_gone("is a draft");
    assert_eq!(pull.deployment_states(&commit), [""; 0]);

    pull.label("Preview", MEMBER);
    seen.serves("two\n");
    pull.unlabel("Preview", MEMBER);
    seen.is_gone("is a draft");
    pull.draft(false);
    seen.serves("two\n");

    pull.label("no-preview", MEMBER);
    pull.label("Preview", MEMBER);
    seen.is_gone("carries the label `no-preview`");
    pull.comment(MEMBER, "/preview");
    seen.is_gone("carries the label `no-preview`");
    pull.unlabel("no-preview", MEMBER);
    seen.serves("two\n");
}

/// Its setup says much, then the secret in some forms, and fails while the
/// secret is not the one that it likes and the repository has no `ok`.
fn fails() -> Files {
    let says = r#"if [ ! -e site/ok ] && [ "$API_KEY" != liked ]; then
        i=0
        while [ $i -lt 40 ]; do i=$((i + 1)); echo "line $i of the migration"; done
        echo "cannot log in to https://x:s3cret%2Fof%20the%20host%2B0123456789@api.test with $API_KEY"
        echo "relation \`users\` does not exist, @acme/everybody""#;
    fixture("setup-fails")
        .replacing(
            "preview-config.nix",
            "  berth.preview = {",
            "  berth.preview = {\n    hostSecrets = [ \"API_KEY\" ];",
        )
        .replacing("preview-config.nix", "if [ ! -e site/ok ]; then", says)
        .replacing(
            "preview-config.nix",
            "echo \"migration 7 of 9: relation \\\"users\\\" does not exist\" >&2",
            "",
        )
}

#[test]
fn a_failed_setup_is_told_without_secrets_and_tried_again_when_asked_or_pushed() {
    let host = HOST.get();
    let github = host.github();
    let repo = github.repository("acme/fails", &fails());
    let commit = github.push(&repo, "fix", &[("index.html", "two\n")]);
    let pull = github.open(&repo, "fix");
    let seen = Seen { host: &host, pull: &pull };
    host.settles(&pull);
    is_told(&pull.says(), &commit);
    assert_eq!(pull.deployment_states(&commit), ["in_progress", "failure"]);
    for text in pull.told() {
        assert!(!text.contains("s3cret"), "{text}");
    }

    let job = job(&host, &repo);
    assert_eq!((&job["state"], &job["pull"]), (&"refused".into(), &pull.number().into()), "{job}");
    assert!(job["error"].as_str().is_some_and(|error| error.contains("preview-setup.service")), "{job}");
    let number = job["job"].to_string();
    // It is not tried again by itself, but when somebody asks.
    let tries = || tries(&host, &pull);
    assert_eq!(tries(), 1);
    preview(&host, &["retry", &number]).ok();
    host.settles(&pull);
    assert_eq!(tries(), 2);
    is_told(&pull.says(), &commit);
    pull.comment("reader", "/preview rebuild");
    host.settles(&pull);
    assert_eq!(tries(), 2);

    // The operator mends what was wrong on the host.
    host.write_file(SECRET_FILE, "liked", 0o600);
    preview(&host, &["retry", &number]).ok();
    seen.serves("two\n");
    assert_eq!(
        host.jobs(&["--all"]).as_array().expect("a list").iter().filter(|one| **one == number).count(),
        0
    );

    // A push breaks it again; the old site goes on until another one heals it.
    host.write_file(SECRET_FILE, SECRET, 0o600);
    let broken = github.push(&repo, "fix", &[("index.html", "three\n")]);
    host.settles(&pull);
    is_told(&pull.says(), &broken);
    assert!(pull.says().contains(&format!("still serves commit `{}`", &commit[..12])), "{}", pull.says());
    assert_eq!(host.page(&pull.slug(), "/").as_deref(), Some("two\n"));
    github.push(&repo, "fix", &[("ok", "")]);
    seen.serves("three\n");
}

/// The unit, and the last 30 lines in a fold.
#[track_caller]
fn is_told(says: &str, commit: &str) {
    let failed = format!("`preview-setup.service` failed for commit `{}`", &commit[..12]);
    assert!(says.contains("### Preview: failed") && says.contains(&failed), "{says}");
    let (_, fold) = says.split_once("<details>\n<summary>").unwrap_or_else(|| panic!("no fold: {says}"));
    let (_, log) = fold.split_once("```text\n").expect("a fence");
    let (log, rest) = log.split_once("\n```\n").expect("its end");
    assert!(rest.contains("</details>"), "{says}");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 30, "{log}");
    assert!(log.contains("cannot log in to https://x:[secret]@\u{200b}api.test with [secret]"), "{log}");
    assert!(log.contains("line 40 of the migration") && !log.contains("line 5 of"), "{log}");
    assert!(log.contains("@\u{200b}acme/everybody"), "nobody is mentioned: {log}");
    assert!(!says.contains("s3cret"), "{says}");
}

#[track_caller]
fn job(host: &PullHost, repo: &str) -> Value {
    let jobs = host.jobs(&["--all"]);
    let found = jobs.as_array().expect("a list").iter().find(|job| job["repository"] == repo);
    found.unwrap_or_else(|| panic!("no job of {repo}: {jobs}")).clone()
}

/// How often a deployment of it has failed.
#[track_caller]
fn tries(host: &PullHost, pull: &PullRequest) -> usize {
    let events = json(&preview(host, &["events", "--json", &pull.slug()]).ok());
    events.as_array().expect("a list").iter().filter(|one| one["outcome"] == "failed").count()
}
