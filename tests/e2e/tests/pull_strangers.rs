//! Pull requests from forks: nothing of a stranger's is touched until somebody
//! who may write has approved exactly this commit, and it gets no secret then.

use std::sync::Arc;

use berth_e2e::double::{Command, Role};
use berth_e2e::{Files, MEMBER, PullHost, PullRequest, SharedPullHost, fixture, json, places_with, preview};

static HOST: SharedPullHost = SharedPullHost::booted_by(host);

/// Who offers something.
const STRANGER: &str = "mallory";
const SECRET: &str = "granted-to-the-repository-0123456789";
const CONFIGURATION: &str = r#"
token = "/etc/berth/secrets/token"
token_repositories = ["acme/*"]

[[preview.secret]]
name = "API_KEY"
source = "/etc/berth/secrets/api-key"
repositories = ["acme/held"]
"#;

fn host() -> PullHost {
    // Every repository of these tests may have the token.
    let names = ["held", "labelled", "late", "deleted"].map(|name| format!("\"acme/{name}\"")).join(", ");
    let host = PullHost::boot_with("strangers", &CONFIGURATION.replace("\"acme/*\"", &names), "workers = 4");
    host.write_file("/etc/berth/secrets/api-key", SECRET, 0o600);
    host.write_file("/etc/berth/secrets/token", host.github().reading_token(MEMBER), 0o600);
    host
}

/// A site that asks for a secret.
fn site() -> Files {
    let asks = "  berth.preview = {\n    hostSecrets = [ \"API_KEY\" ];";
    fixture("static").replacing("preview-config.nix", "  berth.preview = {", asks)
}

/// What a stranger offers, and the commit of it.
struct Offer {
    host: Arc<PullHost>,
    pull: PullRequest,
    fork: String,
    commit: String,
}

impl Offer {
    /// From a fork whose branch has the name of one in the repository itself.
    fn to(name: &str, files: &Files) -> Self {
        let host = HOST.get();
        let (repo, fork) = (format!("acme/{name}"), format!("{STRANGER}/{name}"));
        let github = host.github();
        github.repository(&repo, files);
        github.fork(&repo, &fork);
        github.push(&repo, "fix", &[("index.html", "the repository's own\n")]);
        // Two forks with the same files have the same commits otherwise.
        let files = [("index.html", "a stranger's\n"), ("whose", fork.as_str())];
        let commit = github.push(&fork, "fix", &files);
        let pull = github.open_from(&repo, Some(&fork), "fix", STRANGER, false);
        let this = Self { host, pull, fork, commit };
        this.settles();
        this
    }

    fn settles(&self) {
        self.host.settles(&self.pull);
    }

    /// The stranger changes the page.
    fn push(&mut self, page: &str) {
        self.commit = self.host.github().push(&self.fork, "fix", &[("index.html", page)]);
        self.settles();
    }

    #[track_caller]
    fn is_held(&self) {
        let says = self.pull.says();
        assert!(says.contains("### Preview: waiting for approval"), "{says}");
        assert!(says.contains(&format!("> `/preview {}`\n", self.commit)), "the line to paste:\n{says}");
    }

    /// Nobody has fetched it, built it or made anything for it.
    #[track_caller]
    fn is_untouched(&self) {
        assert!(!self.host.slugs().contains(&self.pull.slug()), "{}", self.pull.says());
        assert_eq!(self.mirrors(), "", "{} was fetched", self.commit);
        assert_eq!(self.pull.deployment_states(&self.commit), [""; 0]);
        let events = json(&preview(&self.host, &["events", "--json"]).ok());
        let slug = self.pull.slug();
        let its: Vec<_> =
            events.as_array().expect("a list").iter().filter(|one| one["slug"] == *slug).collect();
        assert!(its.is_empty(), "{its:#?}");
    }

    /// The mirrors that have its commit, a line each.
    fn mirrors(&self) -> String {
        let look = r#"for mirror in /var/lib/berth/mirrors/*.git; do
            git -c safe.directory='*' --git-dir="$mirror" cat-file -e "$1" 2>/dev/null && echo "$mirror"
        done; exit 0"#;
        self.host.command("sh").args(["-c", look, "sh", &self.commit]).ok().stdout
    }

    #[track_caller]
    fn serves(&self, page: &str) {
        assert_eq!(self.host.page(&self.pull.slug(), "/").as_deref(), Some(page), "{}", self.pull.says());
    }

    fn run(&self, line: &str) -> berth_e2e::Output {
        preview(&self.host, &["run", &self.pull.slug(), "--root", "--", "sh", "-c", line]).run()
    }
}

#[test]
fn nothing_is_built_before_who_may_write_approves_this_commit() {
    let mut offer = Offer::to("held", &site());
    let github = offer.host.github();
    let pull = &offer.pull;
    let (repo, commit) = (pull.repo().to_owned(), offer.commit.clone());
    offer.is_held();
    offer.is_untouched();

    github.role(&repo, "reader", Role::Read);
    github.role(&repo, "tina", Role::Triage);
    // Each of these is said to be the owner by the payload.
    let told = |by: &str, line: &str| pull.comment(by, &format!("/preview{line}"));
    let by_others =
        [STRANGER, "reader", "tina", "nobody-at-all"].map(|by| told(by, &format!(" {commit}"))).to_vec();
    let other =
        ["", " rebuild", &format!(" {}", &commit[..11]), " 0123456789abcdef"].map(|line| told(MEMBER, line));
    told(MEMBER, " destroy");
    pull.label("preview", "tina");
    offer.settles();
    pull.unlabel("preview", "tina");
    offer.settles();
    offer.is_held();
    offer.is_untouched();

    for comment in by_others.into_iter().chain(other) {
        assert_eq!(pull.reactions(comment), ["confused"], "{:#?}", pull.comments());
    }

    let approval = pull.comment(MEMBER, &format!("Looks good.\n\n/preview {}\n", &commit[..12]));
    offer.settles();
    offer.serves("a stranger's\n");
    assert!(pull.says().contains("### Preview: ready"), "{}", pull.says());
    assert_ne!(offer.mirrors(), "", "it would have been seen");
    assert_eq!(pull.reactions(approval), ["+1"]);
    has_no_secret(&offer);

    // The approval was of that commit: what comes later waits anew, and what
    // was approved goes on.
    offer.push("another one\n");
    offer.is_held();
    offer.serves("a stranger's\n");
    offer.pull.comment(MEMBER, &format!("/preview {commit}"));
    offer.pull.comment(MEMBER, "/preview rebuild");
    offer.settles();
    offer.is_held();
    offer.serves("a stranger's\n");
    offer.pull.comment(MEMBER, &format!("/preview {}", offer.commit));
    offer.settles();
    offer.serves("another one\n");

    // What goes on while its successor waits can be removed.
    offer.push("a third one\n");
    offer.is_held();
    offer.serves("another one\n");
    offer.pull.comment(MEMBER, "/preview destroy");
    offer.settles();
    offer.is_held();
    assert!(!offer.host.slugs().contains(&offer.pull.slug()), "{}", offer.pull.says());
}

/// While a pull request of somebody who may write has them.
#[track_caller]
fn has_no_secret(offer: &Offer) {
    let host = &offer.host;
    let told = offer.run("cat /etc/preview.env").stdout;
    assert!(told.contains(&format!("PREVIEW_COMMIT=\"{}\"", offer.commit)), "{told}");
    assert!(!told.contains("API_KEY") && !told.contains(SECRET), "{told}");
    assert!(!offer.run("test -e /etc/preview-token").is_success());
    let token = host.read_file("/etc/berth/secrets/token");
    let look = r#"secret=$(cat); grep -rlF -- "$secret" "/var/lib/nixos-containers/$1" 2>/dev/null; exit 0"#;
    let slug = offer.pull.slug();
    let container = json(&preview(host, &["info", "--json", &slug]).ok())["container"].clone();
    for secret in [SECRET, token.trim()] {
        let found = host.command("sh").args(["-c", look, "sh", container.as_str().expect("a container")]);
        assert_eq!(found.stdin(secret).ok().stdout, "");
        assert_eq!(places_with(host, secret), [""; 0]);
    }

    host.github().push(offer.pull.repo(), "own", &[("index.html", "our own\n")]);
    let own = Offer {
        host: Arc::clone(host),
        pull: host.github().open(offer.pull.repo(), "own"),
        fork: String::new(),
        commit: String::new(),
    };
    own.settles();
    own.serves("our own\n");
    assert!(
        own.run("cat /etc/preview.env").stdout.contains(&format!("API_KEY=\"{SECRET}\"")),
        "it is granted"
    );
    assert_eq!(own.run("cat /etc/preview-token").stdout.trim(), token.trim());
}

#[test]
fn a_label_approves_the_commit_that_it_was_set_on() {
    let mut offer = Offer::to("labelled", &fixture("static"));
    offer.pull.label("Preview", MEMBER);
    offer.settles();
    offer.serves("a stranger's\n");

    // The label is still there, and approves nothing that came after it.
    offer.push("another one\n");
    offer.is_held();
    offer.serves("a stranger's\n");
    offer.pull.unlabel("Preview", MEMBER);
    offer.pull.label("Preview", MEMBER);
    offer.settles();
    offer.serves("another one\n");
}

#[test]
fn an_approval_that_a_push_overtakes_approves_nothing() {
    let mut offer = Offer::to("late", &fixture("static"));
    // Nobody looks between the approval and the push.
    offer.host.command("systemctl").args(["stop", "berthd"]).ok();
    offer.pull.comment(MEMBER, &format!("/preview {}", offer.commit));
    offer.pull.label("preview", MEMBER);
    offer.commit = offer.host.github().push(&offer.fork, "fix", &[("index.html", "something else\n")]);
    offer.host.command("systemctl").args(["start", "berthd"]).ok();
    offer.settles();
    offer.is_held();
    offer.is_untouched();
}

#[test]
fn what_is_left_of_a_deleted_fork_can_be_approved_too() {
    let offer = Offer::to("deleted", &fixture("static"));
    offer.host.github().run(&Command::DeleteRepo { repo: offer.fork.clone() });
    offer.pull.comment(STRANGER, &format!("/preview {}", offer.commit));
    offer.settles();
    offer.is_untouched();
    offer.pull.comment(MEMBER, &format!("/preview {}", offer.commit));
    offer.settles();
    offer.serves("a stranger's\n");
}
