//! Deployments on this host.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use berth_core::comment;
use berth_core::lane::{Site, SiteState};
use berth_core::{Name, PreviewPhase, PullNumber, RepoName, Wanted as WantedPhase};
use berth_host::Host;
use berth_host::agents::Actor;
use berth_host::previews::{self, CreateOptions, PreviewError, Source, UpdateOptions};
use berth_host::state::{PreviewRecord, StateError};

use super::{Deployer, Fault, Found, Wanted, Work};

/// The operations of `berth_host::previews`, done by `berthd`.
pub struct HostDeployer {
    host: Arc<Host>,
    by: Actor,
}

impl HostDeployer {
    /// Those on this host, written into the events under this name.
    pub fn new(host: Arc<Host>, by: Actor) -> Self {
        Self { host, by }
    }

    async fn record(&self, repo: &RepoName, pull: PullNumber) -> Result<Option<PreviewRecord>, StateError> {
        let records = self.host.state.previews().await?;
        Ok(records.into_iter().find(|record| record.repo == *repo && record.pull == Some(pull)))
    }

    fn fault(&self, error: &PreviewError) -> Fault {
        let secrets = self.secrets();
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.as_str()).collect();
        Fault::of(error, |text| comment::scrub(text, &secrets))
    }

    /// All secrets that a service of a preview may have been given, and may
    /// have said.
    fn secrets(&self) -> Vec<zeroize::Zeroizing<String>> {
        let Host { layout, config, .. } = &*self.host;
        let Some(config) = &config.preview else { return Vec::new() };
        let granted = config.secrets.iter().map(|grant| grant.source.clone()).chain(config.token.clone());
        let passwords = std::fs::read_dir(layout.secrets_dir()).into_iter().flatten().flatten();
        granted.chain(passwords.map(|entry| entry.path())).filter_map(|path| text(&path)).collect()
    }
}

fn text(path: &Path) -> Option<zeroize::Zeroizing<String>> {
    std::fs::read_to_string(path).ok().map(zeroize::Zeroizing::new)
}

fn site(record: &PreviewRecord) -> Site {
    let state = match record.phase {
        PreviewPhase::Ready | PreviewPhase::Running if record.wanted != WantedPhase::Absent => {
            SiteState::Serves
        }
        PreviewPhase::Failed if record.wanted != WantedPhase::Absent => SiteState::Failed,
        PreviewPhase::Ready
        | PreviewPhase::Running
        | PreviewPhase::Failed
        | PreviewPhase::Building
        | PreviewPhase::Creating
        | PreviewPhase::SettingUp
        | PreviewPhase::Updating
        | PreviewPhase::Destroying
        | PreviewPhase::Gone => SiteState::HalfWay,
    };
    Site { commit: record.commit.clone(), is_trusted: record.is_trusted, state }
}

#[async_trait]
impl Deployer for HostDeployer {
    async fn find(&self, repo: &RepoName, pull: PullNumber) -> Result<Option<Found>, StateError> {
        let Some(record) = self.record(repo, pull).await? else { return Ok(None) };
        let urls = previews::view(&self.host, &record.slug).await.map(|view| view.urls).unwrap_or_default();
        let (site, deployed_at) = (site(&record), record.deployed_at);
        Ok(Some(Found { slug: record.slug, site, urls, deployed_at }))
    }

    async fn create(&self, wanted: &Wanted, work: Work<'_>) -> Result<(), Fault> {
        let options = CreateOptions {
            source: Source {
                repo: wanted.repo.clone(),
                branch: wanted.branch.clone(),
                pull: Some(wanted.pull),
                commit: Some(wanted.commit.clone()),
            },
            slug: None,
            ttl: None,
            wait: true,
            keeps_failed: true,
            is_trusted: wanted.is_trusted,
        };
        let created = previews::create(&self.host, options, &self.by, work.progress, work.interrupt).await;
        created.map(|_| ()).map_err(|error| self.fault(&error))
    }

    async fn update(
        &self,
        slug: &Name,
        wanted: &Wanted,
        is_forced: bool,
        work: Work<'_>,
    ) -> Result<(), Fault> {
        let options = UpdateOptions { commit: Some(wanted.commit.clone()), is_forced };
        let updated =
            previews::update(&self.host, slug, options, &self.by, work.progress, work.interrupt).await;
        updated.map(|_| ()).map_err(|error| self.fault(&error))
    }

    async fn destroy(&self, slug: &Name, work: Work<'_>) -> Result<(), Fault> {
        let destroyed = previews::destroy(&self.host, slug, &self.by, work.progress).await;
        destroyed.map(|_| ()).map_err(|error| self.fault(&error))
    }
}
