//! Looking at previews: the records and the host seen together.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use berth_core::site::Site;
use berth_core::{
    BranchName, CommitSha, ContainerName, Gpu, Limits, Name, PreviewPhase, PullNumber, RepoName, StorePath,
    UnitState,
};
use jiff::Timestamp;
use serde::Serialize;

use super::units::Units;
use super::{PreviewError, find};
use crate::host::Host;
use crate::state::{BerthRecord, PreviewRecord};

/// A preview as people see it. Its JSON is part of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviewView {
    /// Its slug.
    pub slug: Name,
    /// The repository.
    pub repository: RepoName,
    /// The branch.
    pub branch: BranchName,
    /// The pull request, if it is one.
    pub pull: Option<PullNumber>,
    /// What it is in: its phase, or `stopped` when its container does not run
    /// although it should, `not set up` when it restarted by itself and nobody
    /// has started its services since.
    pub state: String,
    /// Why, or why its last update came to nothing.
    pub reason: Option<String>,
    /// Where it is served, once a domain is configured.
    pub url: Option<String>,
    /// All of its addresses, the first one included.
    pub urls: Vec<String>,
    /// What is deployed.
    pub commit: Option<CommitSha>,
    /// Since when.
    pub deployed_at: Option<Timestamp>,
    /// Its container on the host; of an update under way, the one that serves.
    pub container: Option<ContainerName>,
    /// That container's address.
    pub address: Option<Ipv4Addr>,
    /// The system that it boots.
    pub closure: Option<StorePath>,
    /// The units that a restart starts, the setup service first.
    pub services: Vec<String>,
    /// The name of its database on the host, if it has one.
    pub database: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// What its container was given of the host's GPU, if anything.
    pub gpu: Option<Gpu>,
    /// Whether it may have secrets of the host.
    pub is_trusted: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it will be removed; never if nothing.
    pub expires_at: Option<Timestamp>,
}

/// All previews, by slug. Asks systemd twice, however many there are.
pub async fn list(host: &Host) -> Result<Vec<PreviewView>, PreviewError> {
    let records = host.state.previews().await?;
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let seen = Seen::of(host).await?;
    Ok(records.into_iter().map(|record| seen.view(host, record)).collect())
}

/// One preview.
pub async fn view(host: &Host, slug: &Name) -> Result<PreviewView, PreviewError> {
    let record = find(host, slug).await?;
    Ok(Seen::of(host).await?.view(host, record))
}

/// The container of a preview that commands inside are for: the one that
/// serves, or the one that is kept for a look.
pub async fn container_of(host: &Host, slug: &Name) -> Result<ContainerName, PreviewError> {
    let record = find(host, slug).await?;
    let berths = host.state.berths_of(record.id).await?;
    let serving = berths.iter().find(|berth| Some(berth.id) == record.berth);
    serving.map(|berth| berth.container).ok_or_else(|| {
        let slug = record.slug;
        let way_out = format!(
            "it has no container; see `preview info {slug}` for the reason and `preview logs {slug} --build` for \
             what Nix said"
        );
        PreviewError::WrongPhase { slug, phase: record.phase, way_out }
    })
}

/// What the host has, looked at once.
struct Seen {
    units: Units,
    berths: BTreeMap<i64, BerthRecord>,
}

impl Seen {
    async fn of(host: &Host) -> Result<Self, PreviewError> {
        let units = Units::of(host).await?;
        let berths = host.state.berths(Some(berth_core::Kind::Preview)).await?;
        Ok(Self { units, berths: berths.into_iter().map(|berth| (berth.id.get(), berth)).collect() })
    }

    fn view(&self, host: &Host, record: PreviewRecord) -> PreviewView {
        let berth = record.berth.and_then(|id| self.berths.get(&id.get()));
        let address = berth.and_then(|berth| host.config.subnet.addresses(berth.container.slot()));
        let address = address.map(|pair| pair.container);
        let urls = urls(host, &record);
        PreviewView {
            state: self.state(&record, berth),
            url: urls.first().cloned(),
            urls,
            container: berth.map(|berth| berth.container),
            address,
            closure: berth.map(|berth| berth.system.clone()),
            services: services(&record),
            database: record.has_database.then(|| record.id.database()),
            slug: record.slug,
            repository: record.repo,
            branch: record.branch,
            pull: record.pull,
            reason: record.reason,
            commit: record.commit,
            deployed_at: record.deployed_at,
            limits: record.limits,
            gpu: berth.and_then(|berth| berth.gpu.clone()),
            is_trusted: record.is_trusted,
            created_at: record.created_at,
            created_by: record.created_by,
            expires_at: record.expires_at,
        }
    }

    fn state(&self, record: &PreviewRecord, berth: Option<&BerthRecord>) -> String {
        let container = berth.map(|berth| berth.container);
        let should_run = matches!(record.phase, PreviewPhase::Running | PreviewPhase::Ready);
        if should_run && container.is_some_and(|container| self.units.lacks_services(container)) {
            return "not set up".to_owned();
        }
        match container.map_or(UnitState::Inactive, |container| self.units.state(container)) {
            UnitState::Inactive | UnitState::Failed if should_run => "stopped".to_owned(),
            UnitState::Activating if should_run => "starting".to_owned(),
            UnitState::Deactivating if should_run => "stopping".to_owned(),
            UnitState::Inactive
            | UnitState::Activating
            | UnitState::Active
            | UnitState::Deactivating
            | UnitState::Failed => record.phase.to_string(),
        }
    }
}

fn urls(host: &Host, record: &PreviewRecord) -> Vec<String> {
    let Some(config) = &host.config.preview else { return Vec::new() };
    let extra_hosts = record.meta.as_ref().map(|meta| meta.extra_hosts.as_slice()).unwrap_or_default();
    let site = Site {
        id: record.id,
        slug: &record.slug,
        domain: &config.domain,
        // Not part of any address outside.
        upstream: Ipv4Addr::UNSPECIFIED,
        routes: &[],
        extra_hosts,
    };
    site.hosts().into_iter().map(|host| format!("https://{host}")).collect()
}

fn services(record: &PreviewRecord) -> Vec<String> {
    let Some(meta) = &record.meta else { return Vec::new() };
    meta.setup_service.iter().chain(&meta.app_services).map(ToString::to_string).collect()
}
