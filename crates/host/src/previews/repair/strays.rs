//! What is wrong with previews, listed from the host itself and from the records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use berth_core::PreviewId;
use thiserror::Error;

use crate::database_password::{self, DatabasePasswordError};
use crate::host::Host;
use crate::lock::{LockError, LockName};
use crate::postgres::PostgresError;
use crate::previews::restart::serving;
use crate::previews::units::Units;
use crate::previews::{DeployError, route};
use crate::repos::RepoError;
use crate::routes::{Difference, Expect, Expected, RouteError};
use crate::state::{BerthRecord, PreviewRecord, StateError};
use crate::systemd::SystemdError;

/// Something of previews that is not as it should be.
#[derive(Clone, Debug)]
pub(crate) enum Stray {
    /// An operation was cut short.
    CutShort(PreviewRecord),
    /// A berth belongs to a preview that it does not serve.
    Berth(BerthRecord),
    /// A database or a role belongs to no preview.
    Database(PreviewId),
    /// A password belongs to no preview.
    Password(PreviewId),
    /// A source repository belongs to no preview.
    Source(PreviewId),
    /// The route files are not what the records say.
    Routes(Vec<Difference>),
    /// A preview should run and does not.
    Down(PreviewRecord),
}

/// What was found to be wrong, and what could not be looked at. A tool that is
/// down keeps nothing else from its repair.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    /// What is wrong.
    pub(crate) found: Vec<Stray>,
    /// What could not be looked at.
    pub(crate) unknown: Vec<StrayError>,
}

impl Strays {
    fn known<T>(&mut self, looked: Result<T, impl Into<StrayError>>) -> Option<T> {
        looked.map_err(|error| self.unknown.push(error.into())).ok()
    }
}

/// Why something could not be looked at.
#[derive(Debug, Error)]
pub(crate) enum StrayError {
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The databases.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The source repositories.
    #[error(transparent)]
    Repos(#[from] RepoError),
    /// The routes.
    #[error(transparent)]
    Routes(#[from] RouteError),
    /// What the routes should be.
    #[error(transparent)]
    Expected(#[from] DeployError),
    /// The locks.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The containers' units.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The passwords.
    #[error(transparent)]
    Password(#[from] DatabasePasswordError),
}

impl StrayError {
    /// The routes are looked at once more at the end of a repair.
    pub(super) fn is_of_routes(&self) -> bool {
        matches!(self, Self::Routes(_) | Self::Expected(_))
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort(record) => {
                write!(f, "the preview `{}` was cut short while {}", record.slug, record.phase)
            }
            Self::Berth(berth) => {
                write!(f, "{} does not serve its preview `{}`", berth.container, berth.name)
            }
            Self::Database(id) => write!(f, "the database `{}` belongs to no preview", id.database()),
            Self::Password(id) => write!(f, "the password of `{}` belongs to no preview", id.database()),
            Self::Source(id) => {
                write!(f, "the source repository `{}` belongs to no preview", id.source_repository())
            }
            Self::Routes(differences) => {
                write!(f, "{} of the routes are not what the records say", differences.len())
            }
            Self::Down(record) => write!(f, "the preview `{}` should run and does not", record.slug),
        }
    }
}

/// Everything of previews that is not as it should be.
pub(crate) async fn strays(host: &Host) -> Result<Strays, StrayError> {
    let mut strays = Strays::default();
    // What exists is listed before what is recorded: what comes in between has
    // its record first.
    let sources = strays.known(host.tools.repos.list()).unwrap_or_default();
    let passwords = strays.known(database_password::list(&host.layout)).unwrap_or_default();
    let databases = strays.known(databases(host).await).unwrap_or_default();
    let units = Units::of(host).await?;
    let records = host.state.previews().await?;
    let ids: BTreeSet<PreviewId> = records.iter().map(|record| record.id).collect();
    let with_database: BTreeSet<PreviewId> =
        records.iter().filter(|record| record.has_database).map(|record| record.id).collect();

    let found = &mut strays.found;
    for record in &records {
        let is_free = free(host, record.id)?;
        let berths = host.state.berths_of(record.id).await?;
        if record.is_half_way() {
            found.extend(is_free.then(|| Stray::CutShort(record.clone())));
            continue;
        }
        if !is_free {
            continue;
        }
        let others = berths.iter().filter(|berth| serves_nothing(record, berth));
        found.extend(others.cloned().map(Stray::Berth));
        let serving = berths.iter().find(|berth| Some(berth.id) == record.berth);
        if record.phase.is_served() && units.is_down(serving.map(|berth| berth.container)) {
            found.push(Stray::Down(record.clone()));
        }
    }
    found.extend(databases.difference(&with_database).copied().map(Stray::Database));
    // One is made before the database, and is kept where a later commit has none.
    found.extend(passwords.difference(&ids).copied().map(Stray::Password));
    found.extend(sources.difference(&ids).copied().map(Stray::Source));
    let differences = strays.known(differences(host).await).unwrap_or_default();
    if !differences.is_empty() {
        strays.found.push(Stray::Routes(differences));
    }
    Ok(strays)
}

async fn differences(host: &Host) -> Result<Vec<Difference>, StrayError> {
    let Some(expected) = expected(host).await? else { return Ok(Vec::new()) };
    Ok(route::routes(host).differences(&expected)?)
}

/// Whether a berth of a preview on which nobody works is only in the way: it is
/// not the one that serves or is kept, or it is half removed.
pub(super) fn serves_nothing(record: &PreviewRecord, berth: &BerthRecord) -> bool {
    Some(berth.id) != record.berth || berth.is_half_way()
}

/// What the route files should be; nothing where no preview was ever
/// configured.
pub(super) async fn expected(host: &Host) -> Result<Option<Expected>, StrayError> {
    let Some(config) = &host.config.preview else { return Ok(None) };
    let mut routes = BTreeMap::new();
    for record in host.state.previews().await? {
        if record.is_half_way() || !free(host, record.id)? {
            routes.insert(record.id, Expect::AsIs);
            continue;
        }
        let Some(meta) = record.meta.as_ref().filter(|_| record.phase.is_served()) else { continue };
        let Ok(berth) = serving(host, &record).await else { continue };
        let upstream = route::address(host, &berth)?;
        let text = route::route_text(host, config, &record, meta, upstream).await?;
        routes.insert(record.id, Expect::Text(text));
    }
    let is_used = !routes.is_empty() || route::routes(host).is_used()?;
    Ok(is_used.then(|| Expected { site: route::site_text(host, config), routes }))
}

/// The databases that there are. A PostgreSQL that is not there is an error
/// only where a preview has a database in it.
async fn databases(host: &Host) -> Result<BTreeSet<PreviewId>, StrayError> {
    match host.tools.postgres.list().await {
        Ok(found) => Ok(found),
        Err(PostgresError::NotThere { .. })
            if !host.state.previews().await?.iter().any(|record| record.has_database) =>
        {
            Ok(BTreeSet::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether nobody alive works on a preview at this moment.
fn free(host: &Host, id: PreviewId) -> Result<bool, LockError> {
    let name = LockName::Preview(id);
    Ok(host.locks.is_orphaned(name) || host.locks.try_lock(name, "look")?.is_some())
}
