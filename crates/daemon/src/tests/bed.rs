//! What survives a kill, and a daemon that does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use berth_core::delivery::{ContentType, Delivery, Envelope, WebhookSecret};
use berth_core::lane::{Retries, Site, SiteState};
use berth_core::policy::{Drafts, Labels, Login, Origin, Permission, Policy, Pull, PullState};
use berth_core::{CommitSha, Layout, Name, PullNumber, RepoName};
use berth_host::fake::FakeWorld;
use berth_host::github::FakeGitHub;
use berth_host::progress::{Interrupt, Interrupter};
use berth_host::state::{State, StateError};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::compare::compare;
use crate::deploy::{Deployer, Fault, Found, Wanted, WayOut, Work};
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

/// The previews of the host, and how deployments go.
#[derive(Clone, Default)]
pub(super) struct Sites(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    sites: BTreeMap<PullNumber, Site>,
    /// Begun deployments of each pull request.
    builds: BTreeMap<PullNumber, usize>,
    /// How long a deployment takes.
    pause: Duration,
    /// What the next deployments come to, before they go well.
    faults: Vec<WayOut>,
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
            labels: Vec::new(),
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
        let side = r#"{"ref": "old", "sha": "ffffffffffffffffffffffffffffffffffffffff", "repo": null}"#;
        self.stores(
            id,
            "pull_request",
            &format!(
                r#"{{"action": "synchronize", "repository": {{"full_name": "Acme/Site"}}, "sender": {{"login": "eve"}},
                "pull_request": {{"number": {pull}, "state": "open", "draft": false, "merged": false,
                "updated_at": "2026-11-01T00:00:00Z", "user": null, "head": {side}, "base": {side}, "labels": []}}}}"#
            ),
        );
    }

    pub(super) fn stores_comment(&self, id: u32, pull: u32, by: &str, text: &str) {
        self.stores(
            id,
            "issue_comment",
            &format!(
                r#"{{"action": "created", "repository": {{"full_name": "acme/site"}}, "sender": {{"login": "{by}"}},
                "issue": {{"number": {pull}, "pull_request": {{}}}},
                "comment": {{"id": {id}, "user": {{"login": "{by}"}}, "body": "{text}"}}}}"#
            ),
        );
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// Opens a daemon, as at its start.
    pub(super) async fn daemon(&self) -> Daemon {
        let state = State::open(&self.layout).await.expect("records");
        self.sites.repair(|_| true);
        let parts = Parts {
            state: state.clone(),
            github: Arc::new(FakeGitHub::new(&self.world)),
            deployer: Arc::new(self.sites.clone()),
            policy: policy(),
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
        let intake = Intake::new(spool, vec![secret()], policy().repositories, Arc::clone(&lanes));
        let (interrupter, stop) = Interrupt::new();
        Daemon { lanes, intake, state, interrupter, stop, sites: self.sites.clone() }
    }

    pub(super) fn comment(&self, pull: u32) -> Option<String> {
        let comments = self.world.github_comments(&repo(), number(pull));
        assert!(comments.len() <= 1, "more than one comment: {comments:?}");
        comments.first().and_then(|comment| comment.texts.last().cloned())
    }
}

fn policy() -> Policy {
    Policy {
        repositories: ["acme/*"].iter().map(|text| text.parse().expect("a pattern")).collect(),
        drafts: Drafts::Deploy,
        labels: Labels::default(),
    }
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

impl Sites {
    pub(super) fn site(&self, pull: u32) -> Option<Site> {
        self.lock().sites.get(&number(pull)).cloned()
    }

    pub(super) fn pulls(&self) -> Vec<PullNumber> {
        self.lock().sites.keys().copied().collect()
    }

    pub(super) fn builds(&self, pull: u32) -> usize {
        self.lock().builds.get(&number(pull)).copied().unwrap_or(0)
    }

    pub(super) fn take(&self, pause: Duration) {
        self.lock().pause = pause;
    }

    pub(super) fn fail_next(&self, way_out: WayOut) {
        self.lock().faults.push(way_out);
    }

    /// What a reconcile does of those that nobody works on.
    fn repair(&self, is_free: impl Fn(PullNumber) -> bool) {
        self.lock().sites.retain(|pull, site| {
            let is_cut_short = site.state == SiteState::HalfWay && is_free(*pull);
            if is_cut_short {
                site.state = SiteState::Serves;
            }
            !is_cut_short || site.commit.is_some()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("nothing panics while it holds the sites")
    }

    /// A deployment: half-way for a while, then what it should be, or what was
    /// before.
    async fn deploy(&self, wanted: &Wanted, work: Work<'_>) -> Result<(), Fault> {
        let fault = |way_out| Fault {
            way_out,
            what: "web.service".to_owned(),
            reason: "it says no".to_owned(),
            log: String::new(),
        };
        let (before, pause) = {
            let mut inner = self.lock();
            let before = inner.sites.get(&wanted.pull).cloned();
            if before.as_ref().is_some_and(|site| site.state == SiteState::HalfWay) {
                return Err(fault(WayOut::Repair));
            }
            *inner.builds.entry(wanted.pull).or_default() += 1;
            let commit = before.as_ref().and_then(|site| site.commit.clone());
            let site = Site { commit, is_trusted: wanted.is_trusted, state: SiteState::HalfWay };
            inner.sites.insert(wanted.pull, site);
            (before, inner.pause)
        };
        let planned = tokio::select! {
            biased;
            () = work.interrupt.interrupted() => Some(WayOut::Interrupted),
            () = tokio::time::sleep(pause) => self.lock().faults.pop(),
        };
        let mut inner = self.lock();
        if let Some(way_out) = planned {
            match before {
                Some(before) => inner.sites.insert(wanted.pull, before),
                None => inner.sites.remove(&wanted.pull),
            };
            return Err(fault(way_out));
        }
        let site = Site {
            commit: Some(wanted.commit.clone()),
            is_trusted: wanted.is_trusted,
            state: SiteState::Serves,
        };
        inner.sites.insert(wanted.pull, site);
        Ok(())
    }
}

#[async_trait]
impl Deployer for Sites {
    async fn find(&self, _: &RepoName, pull: PullNumber) -> Result<Option<Found>, StateError> {
        let site = self.lock().sites.get(&pull).cloned();
        Ok(site.map(|site| Found {
            slug: format!("site-{pull}").parse().expect("a slug"),
            site,
            urls: vec![format!("https://site-{pull}.example.com")],
            deployed_at: None,
        }))
    }

    async fn create(&self, wanted: &Wanted, work: Work<'_>) -> Result<(), Fault> {
        self.deploy(wanted, work).await
    }

    async fn update(&self, _: &Name, wanted: &Wanted, _: bool, work: Work<'_>) -> Result<(), Fault> {
        self.deploy(wanted, work).await
    }

    async fn destroy(&self, slug: &Name, _: Work<'_>) -> Result<(), Fault> {
        let pull = slug.as_str().strip_prefix("site-").expect("a slug").parse().expect("a number");
        if let Some(site) = self.lock().sites.get_mut(&pull) {
            site.state = SiteState::HalfWay;
            site.commit = None;
        }
        tokio::task::yield_now().await;
        self.lock().sites.remove(&pull);
        Ok(())
    }
}
