//! What survives a kill, and a daemon that does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_core::delivery::{ContentType, Delivery, Envelope, WebhookSecret};
use berth_core::lane::Retries;
use berth_core::policy::{Drafts, Labels, Login, Origin, Permission, Policy, Pull, PullState};
use berth_core::{CommitSha, Layout, PullNumber, RepoName};
use berth_host::fake::FakeWorld;
use berth_host::github::{CommentId, FakeGitHub};
use berth_host::progress::{Interrupt, Interrupter};
use berth_host::state::State;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::sites::Sites;
use crate::compare::compare;
use crate::intake::Intake;
use crate::intake::spool::Spool;
use crate::lanes::{Lanes, Parts};

pub(super) fn repo() -> RepoName {
    "acme/site".parse().expect("a repository")
}

pub(super) fn number(pull: u32) -> PullNumber {
    pull.try_into().expect("a number")
}

pub(super) fn commit(number: u32) -> CommitSha {
    format!("{number:040x}").parse().expect("a commit")
}

pub(super) fn grace() -> Login {
    "grace".parse().expect("a login")
}

fn secret() -> WebhookSecret {
    WebhookSecret::new(b"a secret of at least sixteen bytes").expect("a secret")
}

/// What survives a kill: GitHub, the spool, the records, the sites.
pub(super) struct Bed {
    pub(super) world: FakeWorld,
    pub(super) layout: Layout,
    pub(super) sites: Sites,
    folder: TempDir,
}

impl Bed {
    pub(super) fn new() -> Self {
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("a folder");
        let layout = Layout::below(folder.path());
        fs::create_dir_all(folder.path().join("spool")).expect("a spool");
        let world = FakeWorld::new(&layout);
        world.github_has(&repo());
        world.github_permits(&repo(), &grace(), Permission::Write);
        Self { world, layout, sites: Sites::default(), folder }
    }

    /// A pull request as it is from now on. Every fourth one is a stranger's.
    pub(super) fn pull(&self, pull: u32, head: u32, state: PullState) {
        self.pull_of(pull, head, state, &[]);
    }

    pub(super) fn pull_labelled(&self, pull: u32, head: u32, labels: &[&str]) {
        self.pull_of(pull, head, PullState::Open, labels);
    }

    fn pull_of(&self, pull: u32, head: u32, state: PullState, labels: &[&str]) {
        let origin = if pull.is_multiple_of(4) { Origin::DeletedFork } else { Origin::Branch };
        self.world.github_pull(&Pull {
            repo: repo(),
            number: number(pull),
            state,
            is_merged: false,
            is_draft: false,
            head: commit(head),
            head_branch: Some("fix".parse().expect("a branch")),
            origin,
            base_branch: None,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            author: grace(),
        });
    }

    /// Stores a delivery as the webhook does.
    pub(super) fn stores(&self, id: u32, event: &str, payload: &str) {
        let body = payload.as_bytes();
        let envelope = Envelope {
            delivery: format!("d-{id}").parse().expect("an id"),
            event: event.parse().expect("an event"),
            content_type: ContentType::Json,
            signature: secret().sign(body),
            received_at: Timestamp::from_second(i64::from(id)).expect("a moment"),
        };
        let name = envelope.spool_name().to_string();
        let content = Delivery { envelope, body }.encode();
        let (hidden, path) = (self.spool().join(".new"), self.spool().join(name));
        fs::write(&hidden, content).and_then(|()| fs::rename(hidden, path)).expect("stored");
    }

    /// A delivery that says that a pull request changed. What it says of the
    /// pull request is old: nobody may believe it.
    pub(super) fn stores_change(&self, id: u32, pull: u32) {
        let old = "ffffffffffffffffffffffffffffffffffffffff";
        self.stores_action(id, pull, ("synchronize", "eve"), (old, ""));
    }

    /// A delivery that says that somebody set a label when this was the head.
    pub(super) fn stores_label(&self, id: u32, pull: u32, by: &str, label: &str, head: u32) {
        let label = format!(r#", "label": {{"name": "{label}"}}"#);
        self.stores_action(id, pull, ("labeled", by), (commit(head).as_str(), &label));
    }

    fn stores_action(&self, id: u32, pull: u32, (action, by): (&str, &str), (head, more): (&str, &str)) {
        let side = format!(r#"{{"ref": "old", "sha": "{head}", "repo": null}}"#);
        self.stores(
            id,
            "pull_request",
            &format!(
                r#"{{"action": "{action}", "repository": {{"full_name": "Acme/Site"}}, "sender": {{"login": "{by}"}},
                "pull_request": {{"number": {pull}, "state": "open", "draft": false, "merged": false,
                "updated_at": "2026-11-01T00:00:00Z", "user": null, "head": {side}, "base": {side}, "labels": []}}
                {more}}}"#
            ),
        );
    }

    pub(super) fn stores_comment(&self, id: u32, pull: u32, by: &str, text: &str) {
        self.stores_comment_of(id, pull, CommentId(id.into()), by, text);
    }

    /// Somebody comments: it is on GitHub, and a delivery tells of it.
    pub(super) fn comments(&self, id: u32, pull: u32, by: &str, text: &str) -> CommentId {
        let comment = self.world.github_comment(&repo(), number(pull), text);
        self.stores_comment_of(id, pull, comment, by, text);
        comment
    }

    pub(super) fn stores_comment_of(
        &self,
        id: u32,
        pull: u32,
        CommentId(comment): CommentId,
        by: &str,
        text: &str,
    ) {
        self.stores(
            id,
            "issue_comment",
            &format!(
                r#"{{"action": "created", "repository": {{"full_name": "acme/site"}}, "sender": {{"login": "{by}"}},
                "issue": {{"number": {pull}, "pull_request": {{}}}},
                "comment": {{"id": {comment}, "user": {{"login": "{by}"}}, "body": "{text}"}}}}"#
            ),
        );
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// Opens a daemon, as at its start.
    pub(super) async fn daemon(&self) -> Daemon {
        self.daemon_for("acme/*").await
    }

    /// Opens a daemon whose operator allows previews of these repositories.
    pub(super) async fn daemon_for(&self, repositories: &str) -> Daemon {
        let policy = policy(repositories);
        let state = State::open(&self.layout).await.expect("records");
        self.sites.repair(|_| true);
        let parts = Parts {
            state: state.clone(),
            github: Arc::new(FakeGitHub::new(&self.world)),
            deployer: Arc::new(self.sites.clone()),
            policy: policy.clone(),
            retries: Retries {
                most: 1000,
                first: SignedDuration::from_millis(1),
                longest: SignedDuration::from_millis(20),
            },
            workers: 3,
            now: Timestamp::now,
            jitter: || 0.5,
        };
        let lanes = Lanes::new(parts);
        let spool = Spool::open(&self.spool(), &self.layout.rejected_dir()).expect("a spool");
        let intake = Intake::new(spool, vec![secret()], policy.repositories, Arc::clone(&lanes));
        let (interrupter, stop) = Interrupt::new();
        Daemon { lanes, intake, state, interrupter, stop, sites: self.sites.clone() }
    }

    pub(super) fn comment(&self, pull: u32) -> Option<String> {
        let all = self.world.github_comments(&repo(), number(pull));
        let comments: Vec<_> = all.into_iter().filter(|comment| comment.is_own).collect();
        assert!(comments.len() <= 1, "more than one comment: {comments:?}");
        comments.first().and_then(|comment| comment.texts.last().cloned())
    }
}

fn policy(repositories: &str) -> Policy {
    Policy {
        repositories: repositories.split(' ').map(|text| text.parse().expect("a pattern")).collect(),
        drafts: Drafts::Deploy,
        labels: Labels::default(),
    }
}

pub(super) async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), met).await.expect("in time");
}

/// The title of Berth's comment.
pub(super) fn title(bed: &Bed, pull: u32) -> String {
    let text = bed.comment(pull).unwrap_or_default();
    text.lines().nth(1).unwrap_or_default().to_owned()
}

/// A daemon: dropped as a whole it is killed.
pub(super) struct Daemon {
    pub(super) lanes: Arc<Lanes>,
    pub(super) intake: Intake,
    pub(super) state: State,
    pub(super) interrupter: Interrupter,
    pub(super) stop: Interrupt,
    sites: Sites,
}

impl Daemon {
    /// Takes what is stored and works until all is quiet.
    pub(super) async fn settles(&self) {
        let quiet = async {
            self.intake.pass().await.expect("taken");
            self.until_quiet().await;
        };
        tokio::select! {
            () = self.works() => {}
            () = quiet => {}
        }
    }

    /// Works on lanes, and repairs what they find half-way, until stopped.
    pub(super) async fn works(&self) {
        let repair = async {
            loop {
                self.lanes.half_way_found().await;
                let busy: BTreeSet<PullNumber> = self.lanes.doing().iter().map(|doing| doing.pull).collect();
                self.sites.repair(|pull| !busy.contains(&pull));
            }
        };
        tokio::select! {
            () = self.lanes.run(&self.stop, Duration::from_secs(5), &|| ()) => {}
            () = repair => {}
        }
    }

    pub(super) async fn compares(&self) -> usize {
        let places = self.sites.pulls().into_iter().map(|pull| (repo(), pull)).collect();
        compare(&self.lanes, &places).await.unwrap_or(1)
    }

    /// Whether nothing is left to do.
    pub(super) async fn is_quiet(&self) -> bool {
        let dirty = self.state.dirty_lanes().await.expect("read");
        dirty.is_empty() && self.lanes.doing().is_empty()
    }

    pub(super) async fn until_quiet(&self) {
        let quiet = async {
            while !self.is_quiet().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), quiet).await;
        assert!(waited.is_ok(), "{:?} {:?}", self.lanes.doing(), self.state.dirty_lanes().await);
    }
}
