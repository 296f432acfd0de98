//! A host on which deployments take as long, and fail as often, as a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use berth_core::lane::{Site, SiteState};
use berth_core::{Name, PullNumber, RepoName};
use berth_host::state::StateError;

use super::bed::number;
use crate::deploy::{Deployer, Fault, Found, Wanted, WayOut, Work};

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

    /// A person has made the preview of a pull request.
    pub(super) fn has(&self, pull: u32) {
        let site = Site { commit: None, is_trusted: true, state: SiteState::Serves };
        self.lock().sites.insert(number(pull), site);
    }

    /// A person has removed it.
    pub(super) fn loses(&self, pull: u32) {
        self.lock().sites.remove(&number(pull));
    }

    pub(super) fn take(&self, pause: Duration) {
        self.lock().pause = pause;
    }

    pub(super) fn fail_next(&self, way_out: WayOut) {
        self.lock().faults.push(way_out);
    }

    /// What a reconcile does of those that nobody works on.
    pub(super) fn repair(&self, is_free: impl Fn(PullNumber) -> bool) {
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
