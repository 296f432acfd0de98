//! What is lost, down or refused makes previews late, never wrong: webhooks,
//! `berthd`, `preview-webhook`, comments, and answers of GitHub.

use std::sync::Arc;

use berth_e2e::double::{Command, FaultKind, HookOptions};
use berth_e2e::{MEMBER, PullHost, PullRequest, SharedPullHost, Value, fixture, json, preview};

/// Compares so often that nobody needs a webhook.
static HOST: SharedPullHost = SharedPullHost::booted_by(|| {
    let host = PullHost::boot_with("lost", "", "workers = 4\ncompare = \"2s\"");
    host.github().deliver(HookOptions { lost: 100, ..PullHost::hooks() });
    host
});

/// A pull request of which nothing is heard.
struct Unheard {
    host: Arc<PullHost>,
    pull: PullRequest,
}

impl Unheard {
    fn open(name: &str) -> Self {
        Self::open_on(HOST.get(), name)
    }

    fn open_on(host: Arc<PullHost>, name: &str) -> Self {
        let github = host.github();
        let repo = github.repository(&format!("acme/{name}"), &fixture("static"));
        github.push(&repo, "fix", &[("index.html", "two\n")]);
        let pull = github.open(&repo, "fix");
        Self { host, pull }
    }

    fn push(&self, page: &str) -> String {
        self.host.github().push(self.pull.repo(), "fix", &[("index.html", page)])
    }

    /// Waits until it serves this, and people are told.
    #[track_caller]
    fn serves(&self, page: &str) {
        self.host.serves(&self.pull.slug(), "/", page);
        self.says("### Preview: ready");
    }

    /// Waits until Berth's comment has this.
    #[track_caller]
    fn says(&self, text: &str) {
        self.host.wait(&format!("{} says {text:?}", self.pull.slug()), || self.pull.says().contains(text));
    }

    #[track_caller]
    fn is_gone(&self) {
        self.host.is_gone(&self.pull.slug());
        self.says("### Preview: removed");
    }

    /// Its container, which is another one after a removal.
    #[track_caller]
    fn container(&self) -> Value {
        json(&preview(&self.host, &["info", "--json", &self.pull.slug()]).ok())["container"].clone()
    }

    /// The actions in its events.
    #[track_caller]
    fn actions(&self) -> Vec<String> {
        let events = json(&preview(&self.host, &["events", "--json", &self.pull.slug()]).ok());
        let action = |one: &Value| one["action"].as_str().expect("an action").to_owned();
        events.as_array().expect("a list").iter().map(action).collect()
    }

    /// Its job, when it is open.
    fn job(&self) -> Option<Value> {
        let jobs = self.host.jobs(&[]);
        let found = jobs.as_array().expect("a list").iter().find(|job| job["repository"] == self.pull.repo());
        found.cloned()
    }
}

#[test]
fn without_any_webhook_everything_becomes_right() {
    let one = Unheard::open("unheard");
    one.serves("two\n");
    let commit = one.push("three\n");
    one.serves("three\n");
    one.says(&commit[..12]);

    // A person deletes the comment: the next news make another one.
    let comment = one.pull.comments()[0]["id"].as_u64().expect("a number");
    one.host.github().run(&Command::DeleteComment { id: comment });
    assert_eq!(one.pull.says(), "");
    let commit = one.push("four\n");
    one.says("### Preview: ready");
    one.says(&commit[..12]);

    one.pull.close();
    one.is_gone();
    one.pull.reopen();
    one.serves("four\n");
    let deliveries = one.host.github().run(&Command::Deliveries {});
    let is_lost = |one: &Value| one["lost"] == true && one["answers"] == Value::Array(Vec::new());
    assert!(deliveries.as_array().expect("a list").iter().all(is_lost), "{deliveries:#}");
}

#[test]
fn what_happens_while_berthd_is_down_is_done_when_it_is_back() {
    // On a host that compares too seldom to help.
    let host = Arc::new(PullHost::boot_with("down", "", "compare = \"1h\""));
    let (github, systemctl) = (host.github(), |words: &[&str]| host.command("systemctl").args(words).ok());
    let closed = Unheard::open_on(Arc::clone(&host), "closed");
    let pushed = Unheard::open_on(Arc::clone(&host), "pushed");
    closed.serves("two\n");
    pushed.serves("two\n");

    systemctl(&["kill", "--signal=KILL", "berthd"]);
    systemctl(&["stop", "berthd"]);
    closed.pull.close();
    pushed.push("three\n");
    let opened = Unheard::open_on(Arc::clone(&host), "opened");
    let short = Unheard::open_on(Arc::clone(&host), "short");
    short.pull.close();
    github.settle();
    assert_eq!(host.spool().len(), 5, "each is kept");
    assert!(pushed.host.page(&pushed.pull.slug(), "/").is_some(), "and the previews go on");
    systemctl(&["start", "berthd"]);
    closed.is_gone();
    pushed.serves("three\n");
    opened.serves("two\n");
    host.rests();
    assert_eq!(short.pull.told(), [""; 0], "nobody is told of what never was");

    // What GitHub cannot deliver is found by the comparison at the start.
    systemctl(&[
        "stop",
        "preview-webhook.socket",
        "preview-webhook-metrics.socket",
        "preview-webhook.service",
    ]);
    opened.pull.close();
    pushed.push("four\n");
    github.settle();
    let deliveries = github.run(&Command::Deliveries {});
    let missed: Vec<&Value> =
        deliveries.as_array().expect("a list").iter().filter(|one| one["answers"] == unreached()).collect();
    assert_eq!(missed.len(), 2, "{deliveries:#}");
    systemctl(&["restart", "berthd"]);
    opened.is_gone();
    pushed.serves("four\n");
    systemctl(&[
        "start",
        "preview-webhook.socket",
        "preview-webhook-metrics.socket",
        "preview-webhook.service",
    ]);

    // And it is delivered again by hand, which changes nothing.
    for one in missed {
        let id = one["id"].as_str().expect("an id").to_owned();
        github.run(&Command::Redeliver { id });
    }
    host.rests();
    pushed.serves("four\n");
    assert_eq!(host.slugs(), [pushed.pull.slug()]);
}

/// What was answered: once nothing.
fn unreached() -> Value {
    Value::Array(vec![0.into()])
}

#[test]
fn answers_that_go_wrong_cost_time_and_no_preview() {
    let host = Arc::new(PullHost::boot_with("faults", "", "compare = \"2s\""));
    let github = host.github();
    let one = Unheard::open_on(Arc::clone(&host), "faults");
    one.serves("two\n");
    host.rests();
    let container = one.container();

    // Whatever GitHub says for a while about everything, a preview is not
    // removed for it: not for a 404, and not for an empty half of a list.
    for kind in [
        FaultKind::Status(404),
        FaultKind::Status(401),
        FaultKind::Status(500),
        FaultKind::Malformed,
        FaultKind::LostAnswer,
        FaultKind::SecondaryLimit(Some(1)),
        FaultKind::Redirect("http://127.0.0.1:8428/nowhere".to_owned()),
    ] {
        let shown = format!("{kind:?}");
        let before = calls(&host);
        github.fail(None, "", 3, kind);
        one.pull.comment(MEMBER, "/preview");
        host.wait(&format!("{shown} is over"), || calls(&host) >= before + 3);
        assert_eq!(one.container(), container, "{shown}");
        assert!(host.page(&one.pull.slug(), "/").is_some(), "{shown}");
    }
    host.rests();
    assert!(one.actions().iter().all(|action| !action.contains("destroy")), "{:?}", one.actions());

    // And what happens meanwhile is done afterwards.
    github.fail(None, "", 8, FaultKind::Status(502));
    one.push("three\n");
    one.serves("three\n");
    github.fail(Some("POST"), "", 3, FaultKind::LostAnswer);
    github.fail(Some("PATCH"), "", 3, FaultKind::SecondaryLimit(Some(1)));
    one.push("four\n");
    one.serves("four\n");
    assert_eq!(one.pull.comments().iter().filter(|comment| comment["by"] == berth_e2e::BERTH).count(), 1);

    // No call is left in this hour: the work waits and nothing is undone.
    github.run(&Command::LimitCalls { remaining: 0 });
    let other = Unheard::open_on(Arc::clone(&host), "limited");
    one.push("five\n");
    host.wait("the limit is known", || {
        other.job().is_some_and(|job| {
            job["error"].as_str().is_some_and(|error| error.contains("takes no more calls"))
        })
    });
    assert_eq!(host.page(&one.pull.slug(), "/").as_deref(), Some("four\n"));
    // The hour is over, for Berth too.
    github.run(&Command::LimitCalls { remaining: 5000 });
    host.command("systemctl").args(["restart", "berthd"]).ok();
    for one in [&one, &other] {
        if let Some(job) = one.job() {
            preview(&host, &["retry", &job["job"].to_string()]).ok();
        }
    }
    one.serves("five\n");
    other.serves("two\n");
}

/// How many calls have been answered, in whatever way.
fn calls(host: &PullHost) -> usize {
    host.github().run(&Command::Calls {}).as_array().expect("a list").len()
}
