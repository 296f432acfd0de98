//! Making the host equal to the records of previews.
//!
//! What is wrong is listed first, from the host itself and from the records;
//! `doctor` tells that list, and a repair goes through it. Nothing is touched of
//! a preview that somebody works on.

mod cut_short;
mod strays;

use berth_core::PreviewId;

use self::cut_short::cut_short;
pub(crate) use self::strays::{Stray, StrayError, Strays, strays};
use self::strays::{expected, serves_nothing};
use super::restart::{restart_locked, serving};
use super::units::Units;
use super::{config, new_berth, route};
use crate::agents::{Actor, chain};
use crate::database_password;
use crate::host::{Host, duration};
use crate::lock::{Lock, LockError, LockName};
use crate::progress::{Interrupt, Progress};
use crate::reconcile::{Report, Starts};
use crate::state::PreviewRecord;

const ACTION: &str = "reconcile";

/// Repairs all of it, and reports each thing.
pub(crate) async fn repair(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
    starts: Starts,
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
        let is_for_later = matches!(stray, Stray::Down(_)) && starts == Starts::Later;
        if matches!(stray, Stray::Routes(_)) || is_for_later {
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
            let Some(_lock) = lock(host, id).await.map_err(|error| told(&error))? else { return Ok(None) };
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

/// Starts a preview that should run, unless somebody has.
pub(crate) async fn down(
    host: &Host,
    seen: &PreviewRecord,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Option<String>, String> {
    let Some(_lock) = lock(host, seen.id).await.map_err(|error| chain(&error))? else { return Ok(None) };
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
    let units = Units::of(host).await.map_err(|error| chain(&error))?;
    let container = serving(host, &now).await.ok().map(|berth| berth.container);
    if now.is_half_way() || !now.phase.is_served() || !units.is_down(container) {
        return Ok(None);
    }
    let config = config(host).map_err(|error| chain(&error))?;
    match restart_locked(host, config, &now, by, progress, interrupt).await {
        Ok(()) => Ok(Some(format!("started the preview `{}`", now.slug))),
        Err(error) => Err(error.on_one_line()),
    }
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

/// The preview's lock, unless somebody alive holds it. What a killed process
/// started may hold it on; that is waited for, and told if it takes long.
async fn lock(host: &Host, id: PreviewId) -> Result<Option<Lock>, LockError> {
    let name = LockName::Preview(id);
    if let Some(lock) = host.locks.try_lock(name, ACTION)? {
        return Ok(Some(lock));
    }
    if !host.locks.is_orphaned(name) {
        return Ok(None);
    }
    let patience = duration(host.config.deadlines.boot) + duration(host.config.deadlines.stop);
    Ok(Some(host.locks.lock(name, ACTION, patience).await?))
}
