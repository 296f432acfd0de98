//! Making the host equal to the records of previews.
//!
//! What is wrong is listed first, from the host itself and from the records;
//! `doctor` tells that list, and a repair goes through it. Nothing is touched of
//! a preview that somebody works on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use berth_core::preview_phase::PreviewEvent;
use berth_core::{PreviewId, PreviewPhase, UnitState, Wanted};
use thiserror::Error;

use super::destroy::destroy_record;
use super::restart::{restart_locked, serving, set_up_again};
use super::{PreviewError, config, deploy, new_berth, route};
use crate::agents::{Actor, chain};
use crate::database_password::{self, DatabasePasswordError};
use crate::host::Host;
use crate::lock::{Lock, LockError, LockName};
use crate::postgres::PostgresError;
use crate::progress::{Interrupt, Progress};
use crate::reconcile::Report;
use crate::repos::RepoError;
use crate::routes::{Difference, Expect, Expected, RouteError};
use crate::state::{BerthRecord, PreviewRecord, StateError};
use crate::systemd::SystemdError;

const ACTION: &str = "reconcile";

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
    Expected(#[from] super::DeployError),
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
    fn is_of_routes(&self) -> bool {
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
    let units = host.tools.systemd.unit_states().await?;
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
        let unit = serving.and_then(|berth| units.get(&berth.container)).copied();
        if record.phase.is_served() && is_down(unit) {
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

/// Repairs all of it, and reports each thing.
pub(crate) async fn repair(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Result<(), StrayError> {
    let Strays { found, unknown } = strays(host).await?;
    let told = |error: &StrayError| format!("looked after the previews: {}", chain(error));
    report.left.extend(unknown.iter().filter(|error| !error.is_of_routes()).map(told));
    for stray in found {
        if interrupt.is_interrupted() {
            break;
        }
        // The routes are looked at once more when all else is done.
        if matches!(stray, Stray::Routes(_)) {
            continue;
        }
        progress.step(&format!("repair: {stray}"));
        match mend(host, &stray, by, progress, interrupt).await {
            Ok(Some(done)) => report.done.push(done),
            // Somebody has come to it in the meantime.
            Ok(None) => {}
            Err(reason) => report.left.push(format!("{stray}: {reason}")),
        }
    }
    routes(host, report).await
}

pub(super) async fn mend(
    host: &Host,
    stray: &Stray,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Option<String>, String> {
    let told = |error: &(dyn std::error::Error + 'static)| chain(error);
    match stray {
        Stray::CutShort(record) => cut_short(host, record, by, progress, interrupt).await,
        Stray::Berth(berth) => {
            let Some(id) = berth.preview else { return Ok(None) };
            let Some(_lock) = lock(host, id).map_err(|error| told(&error))? else { return Ok(None) };
            // An update may have begun and ended since it was seen.
            let now = host.state.preview_of(id).await.map_err(|error| told(&error))?;
            let is_stray = now.is_some_and(|now| !now.is_half_way() && serves_nothing(&now, berth));
            let berths = host.state.berths_of(id).await.map_err(|error| told(&error))?;
            if !is_stray || berths.iter().all(|known| known.id != berth.id) {
                return Ok(None);
            }
            let left = new_berth::remove(host, berth, progress).await;
            let done = format!("removed {}, which did not serve `{}`", berth.container, berth.name);
            if left.is_empty() { Ok(Some(done)) } else { Err(left.join("; ")) }
        }
        Stray::Database(id) => {
            if host.state.preview_of(*id).await.map_err(|error| told(&error))?.is_some_and(|r| r.has_database)
            {
                return Ok(None);
            }
            host.tools.postgres.remove(*id).await.map_err(|error| told(&error))?;
            Ok(Some(format!("dropped the database `{}`, which no record explains", id.database())))
        }
        Stray::Password(id) => {
            database_password::remove(&host.layout, *id).map_err(|error| told(&error))?;
            Ok(Some(format!("removed the password of `{}`, which no record explains", id.database())))
        }
        Stray::Source(id) => {
            host.tools.repos.remove(*id).await.map_err(|error| told(&error))?;
            let name = id.source_repository();
            Ok(Some(format!("removed the source repository `{name}`, which no record explains")))
        }
        Stray::Routes(_) => Ok(None),
        Stray::Down(record) => down(host, record, by, progress, interrupt).await,
    }
}

/// Whether a berth of a preview on which nobody works is only in the way: it is
/// not the one that serves or is kept, or it is half removed.
fn serves_nothing(record: &PreviewRecord, berth: &BerthRecord) -> bool {
    Some(berth.id) != record.berth || berth.is_half_way()
}

/// Starts a preview that should run, unless somebody has.
async fn down(
    host: &Host,
    seen: &PreviewRecord,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Option<String>, String> {
    let Some(_lock) = lock(host, seen.id).map_err(|error| chain(&error))? else { return Ok(None) };
    start_if_down(host, seen.id, by, progress, interrupt).await
}

/// The same for who holds its lock.
async fn start_if_down(
    host: &Host,
    id: PreviewId,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Option<String>, String> {
    let Some(now) = host.state.preview_of(id).await.map_err(|error| chain(&error))? else {
        return Ok(None);
    };
    let units = host.tools.systemd.unit_states().await.map_err(|error| chain(&error))?;
    let unit = serving(host, &now).await.ok().and_then(|berth| units.get(&berth.container)).copied();
    if now.is_half_way() || !now.phase.is_served() || !is_down(unit) {
        return Ok(None);
    }
    let config = config(host).map_err(|error| chain(&error))?;
    match restart_locked(host, config, &now, by, progress, interrupt).await {
        Ok(()) => Ok(Some(format!("started the preview `{}`", now.slug))),
        Err(error) => Err(error.on_one_line()),
    }
}

fn is_down(unit: Option<UnitState>) -> bool {
    matches!(unit, None | Some(UnitState::Inactive | UnitState::Failed))
}

/// Finishes or takes back what a killed process began.
async fn cut_short(
    host: &Host,
    seen: &PreviewRecord,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Option<String>, String> {
    let told = |error: StateError| chain(&error);
    let Some(_lock) = lock(host, seen.id).map_err(|error| chain(&error))? else { return Ok(None) };
    // It may have been finished while we took the lock.
    let Some(now) = host.state.preview_of(seen.id).await.map_err(told)? else { return Ok(None) };
    if !now.is_half_way() {
        return Ok(None);
    }
    let slug = &now.slug;
    let is_wanted = now.wanted != Wanted::Absent;
    // Half-way to its first answer, only a second try has a reason.
    let is_second_try = now.reason.is_some();
    match now.phase {
        PreviewPhase::Updating if is_wanted => {
            lead_back(host, &now).await?;
            remove_other_berths(host, &now, progress).await?;
            give_back(host, &now).await?;
            let reason = "its last update was cut short";
            let event = PreviewEvent::UpdateFailed;
            host.state.advance_preview(now.id, now.phase, event, Some(reason)).await.map_err(told)?;
            // As when the host's reboot cut it short.
            start_if_down(host, now.id, by, progress, interrupt).await?;
            Ok(Some(format!(
                "took back the update of `{slug}`, which was cut short; it serves on what it did"
            )))
        }
        PreviewPhase::SettingUp if is_wanted && now.commit.is_some() => {
            give_back(host, &now).await?;
            let config = config(host).map_err(|error| chain(&error))?;
            let up = set_up_again(host, config, &now, by, progress, interrupt).await;
            up.map_err(|error| error.on_one_line())?;
            Ok(Some(format!("set `{slug}` up again, whose last update or restart was cut short")))
        }
        PreviewPhase::Building | PreviewPhase::Creating | PreviewPhase::SettingUp
            if is_wanted && is_second_try =>
        {
            remove_other_berths(host, &now, progress).await?;
            let reason = "its deployment was cut short";
            let event = PreviewEvent::Failed;
            host.state.advance_preview(now.id, now.phase, event, Some(reason)).await.map_err(told)?;
            Ok(Some(format!("marked `{slug}` as failed, whose deployment was cut short")))
        }
        PreviewPhase::Building
        | PreviewPhase::Creating
        | PreviewPhase::SettingUp
        | PreviewPhase::Running
        | PreviewPhase::Ready
        | PreviewPhase::Updating
        | PreviewPhase::Failed
        | PreviewPhase::Destroying
        | PreviewPhase::Gone => {
            let what = if now.wanted == Wanted::Absent { "removal" } else { "creation" };
            destroy_record(host, &now, by, ACTION, progress)
                .await
                .map_err(|error: PreviewError| error.on_one_line())?;
            Ok(Some(format!("removed the preview `{slug}`, whose {what} was cut short")))
        }
    }
}

async fn remove_other_berths(
    host: &Host,
    record: &PreviewRecord,
    progress: &dyn Progress,
) -> Result<(), String> {
    let mut left = Vec::new();
    for berth in host.state.berths_of(record.id).await.map_err(|error| chain(&error))? {
        if serves_nothing(record, &berth) {
            left.extend(new_berth::remove(host, &berth, progress).await);
        }
    }
    if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
}

/// Leads requests to the berth that serves, before another one goes.
async fn lead_back(host: &Host, record: &PreviewRecord) -> Result<(), String> {
    let (Some(config), Some(meta)) = (&host.config.preview, &record.meta) else { return Ok(()) };
    let Ok(berth) = serving(host, record).await else { return Ok(()) };
    route::lead_to(host, config, record, meta, &berth).await.map_err(|error| chain(&error))
}

/// Gives the berth that serves its commit and its host names back.
async fn give_back(host: &Host, record: &PreviewRecord) -> Result<(), String> {
    let (Some(commit), Some(meta)) = (&record.commit, &record.meta) else { return Ok(()) };
    let labels = route::labels(record, meta);
    host.state.set_hosts(record.id, &labels).await.map_err(|error| chain(&error))?;
    deploy::publish(host, record, commit).await.map_err(|error| chain(&error))
}

async fn routes(host: &Host, report: &mut Report) -> Result<(), StrayError> {
    let routes = route::routes(host);
    let held = routes.hold().await?;
    let Some(expected) = expected(host).await? else { return Ok(()) };
    if routes.differences(&expected)?.is_empty() {
        return Ok(());
    }
    let restored = held.restore(&expected).await?;
    if restored.not_taken.is_empty() {
        report.done.push(format!("restored {} route files", restored.found.len()));
    }
    for (id, reason) in restored.not_taken {
        let what =
            id.map_or_else(|| "the wildcard site".to_owned(), |id| format!("the route of preview {id}"));
        report.left.push(format!("{what} could not be restored: {reason}"));
    }
    Ok(())
}

/// What the route files should be; nothing where no preview was ever
/// configured.
async fn expected(host: &Host) -> Result<Option<Expected>, StrayError> {
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
    let is_used = !routes.is_empty() || host.layout.site_file().exists();
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

/// The preview's lock, unless somebody holds it.
fn lock(host: &Host, id: PreviewId) -> Result<Option<Lock>, LockError> {
    host.locks.try_lock(LockName::Preview(id), ACTION)
}

/// Whether nobody works on a preview at this moment.
fn free(host: &Host, id: PreviewId) -> Result<bool, LockError> {
    Ok(lock(host, id)?.is_some())
}
