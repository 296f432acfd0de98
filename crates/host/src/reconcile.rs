//! Moving what is towards what is recorded.
//!
//! A process that was killed leaves a record in a half-way phase with a free
//! lock, or things on the host without a record. Both are removed here; the
//! firewall is brought back; what should run or not is started or stopped. A daemon calls this
//! every minute, `agent doctor --fix` when asked. It never touches a berth
//! whose lock somebody holds.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_core::{ContainerName, Kind, UnitState, Wanted};
use thiserror::Error;

use crate::agents::{self, Actor, AgentError, Destroyed};
use crate::closures;
use crate::firewall_table;
use crate::host::{Host, duration};
use crate::inventory::{Inventory, InventoryError};
use crate::lock::{Lock, LockError};
use crate::preview_closures;
use crate::previews;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, StateError};

const ACTION: &str = "reconcile";
/// How long the tools of a killed process may go on beyond a boot.
const ORPHANS: Duration = Duration::from_secs(10);

/// Why the host could not be looked at. What cannot be repaired is no error:
/// it is in the [`Report`].
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The host.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The locks.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// What was done, and what could not be, each a line for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Repaired.
    pub done: Vec<String>,
    /// Still wrong, with the reason.
    pub left: Vec<String>,
}

impl Report {
    fn add(&mut self, what: String, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.done.push(what),
            Err(reason) => self.left.push(format!("{what}: {reason}")),
        }
    }
}

/// What is done about what should run and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// It is started, one after another.
    Now,
    /// The caller sees to it ([`crate::starts`]).
    Later,
}

/// Makes records and host equal.
pub async fn reconcile(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Report, ReconcileError> {
    reconcile_with(host, by, progress, interrupt, Starts::Now).await
}

/// The same for who starts what should run in another way.
pub async fn reconcile_with(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
    starts: Starts,
) -> Result<Report, ReconcileError> {
    let mut report = Report::default();
    firewall(host, progress, &mut report).await;
    half_way_records(host, by, progress, &mut report).await?;
    if let Err(error) = previews::repair(host, by, progress, interrupt, starts, &mut report).await {
        report.left.push(format!("looked after the previews: {}", agents::chain(&error)));
    }
    leftovers(host, progress, &mut report).await?;
    unused_closures(host, progress, &mut report).await;
    for stale in host.locks.remove_stale()? {
        report.done.push(format!("removed the lock `{}` of a dead process", stale.path.display()));
    }
    wanted(host, by, progress, interrupt, starts, &mut report).await?;
    Ok(report)
}

async fn firewall(host: &Host, progress: &dyn Progress, report: &mut Report) {
    match firewall_table::is_right(host).await {
        Ok(true) => {}
        Ok(false) => {
            progress.step("load the firewall");
            let outcome = firewall_table::load(host).await;
            report.add("loaded the firewall".to_owned(), outcome.map_err(|e| agents::chain(&e)));
        }
        Err(error) => report.left.push(format!("asked for the firewall: {}", agents::chain(&error))),
    }
}

/// Removes what a killed create or destroy left.
async fn half_way_records(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<(), ReconcileError> {
    for record in host.state.berths(Some(Kind::Agent)).await? {
        if !record.is_half_way() {
            continue;
        }
        let Some(_lock) = lock_unless_worked_on(host, record.container).await? else {
            continue;
        };
        // It may have been finished while we took the lock.
        let Some(now) = host.state.berth_in(record.container).await? else { continue };
        if now.id != record.id || !now.is_half_way() {
            continue;
        }
        let what = format!("removed the agent `{}`, whose {} was cut short", now.name, cut_short(&now));
        let outcome = agents::destroy_record(host, &now, by, "reconcile", progress).await;
        report.add(what, outcome.map(|_: Destroyed| ()).map_err(|error| explain(&error)));
    }
    Ok(())
}

/// The lock of a berth, unless somebody alive holds it. What a killed process
/// started may still be at work and hold it on; that is waited for.
async fn lock_unless_worked_on(host: &Host, container: ContainerName) -> Result<Option<Lock>, LockError> {
    if let Some(lock) = host.locks.try_lock(container, ACTION)? {
        return Ok(Some(lock));
    }
    if !host.locks.is_orphaned(container) {
        return Ok(None);
    }
    let patience = duration(host.config.deadlines.boot) + ORPHANS;
    match host.locks.lock(container, ACTION, patience).await {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Busy { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn cut_short(record: &BerthRecord) -> &'static str {
    match record.wanted {
        Wanted::Absent => "removal",
        Wanted::Running | Wanted::Stopped => "creation",
    }
}

/// An error with all that is known about it, on one line.
fn explain(error: &AgentError) -> String {
    let details = error.details().into_iter().flat_map(|detail| detail.lines);
    std::iter::once(agents::chain(error)).chain(details).collect::<Vec<_>>().join("; ")
}

/// Removes what the host has without a record.
async fn leftovers(host: &Host, progress: &dyn Progress, report: &mut Report) -> Result<(), ReconcileError> {
    let inventory = Inventory::of(host).await?;
    let mut cleared = Vec::new();
    for container in without_record(host, &inventory).await? {
        let Some(lock) = host.locks.try_lock(container, "reconcile")? else {
            continue;
        };
        // A reservation writes its record before anything else.
        if host.state.berth_in(container).await?.is_some() {
            continue;
        }
        let left = agents::clear(host, firewall_table::pin_of_removed(host, container), progress).await;
        let mut reasons: Vec<String> = left.iter().map(|left| agents::chain(left)).collect();
        for pin in inventory.pins.iter().filter(|pin| pin.container == container) {
            let outcome = firewall_table::unpin(host, *pin).await;
            reasons.extend(outcome.err().map(|error| agents::chain(&error)));
        }
        cleared.push((container, reasons, lock));
    }
    if cleared.is_empty() {
        return Ok(());
    }
    // Some things no step removes, such as an interface that somebody else made.
    let now = Inventory::of(host).await?;
    for (container, mut reasons, _lock) in cleared {
        let still = now.things_of(container).join(", ");
        if reasons.is_empty() && !still.is_empty() {
            reasons.push(format!("{still} stayed, remove it by hand"));
        }
        let things = inventory.things_of(container).join(", ");
        let outcome = if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) };
        report.add(format!("removed {things} of {container}, which no record explains"), outcome);
    }
    Ok(())
}

async fn unused_closures(host: &Host, progress: &dyn Progress, report: &mut Report) {
    let mut removed = closures::release_unused(host, progress).await;
    if let Some(config) = &host.config.preview {
        let keep = config.bounds.closures_kept;
        removed.extend(preview_closures::release_unused(host, keep, progress).await);
    }
    match closures::remove_dead_builds(host).await {
        Ok(dead) => removed.extend(dead),
        Err(error) => report.left.push(format!("removed what dead builds left: {}", agents::chain(&error))),
    }
    report.done.extend(removed.into_iter().map(|what| format!("removed {what}")));
}

/// Whether nobody alive works on a berth at this moment.
pub(crate) fn is_free(host: &Host, container: ContainerName) -> Result<bool, LockError> {
    Ok(host.locks.is_orphaned(container) || host.locks.try_lock(container, "look")?.is_some())
}

/// The containers of which there is something and no record.
pub(crate) async fn without_record(
    host: &Host,
    inventory: &Inventory,
) -> Result<BTreeSet<ContainerName>, StateError> {
    let recorded: BTreeSet<ContainerName> =
        host.state.berths(None).await?.into_iter().map(|record| record.container).collect();
    Ok(inventory.all_containers().difference(&recorded).copied().collect())
}

/// The agents that should run and do not, as after a reboot of the host.
pub(crate) async fn down(host: &Host) -> Result<Vec<BerthRecord>, ReconcileError> {
    let units = host.tools.systemd.unit_states().await.map_err(InventoryError::from)?;
    let records = host.state.berths(Some(Kind::Agent)).await?;
    let is_down = |record: &BerthRecord| {
        let unit = units.get(&record.container).copied().unwrap_or(UnitState::Inactive);
        record.wanted == Wanted::Running
            && !record.is_half_way()
            && matches!(unit, UnitState::Inactive | UnitState::Failed)
    };
    Ok(records.into_iter().filter(is_down).collect())
}

/// The agents that run and should not, and that nobody is about to stop: a
/// stop was killed after it had recorded what is wanted.
pub(crate) async fn up(host: &Host) -> Result<Vec<BerthRecord>, ReconcileError> {
    let units = host.tools.systemd.unit_states().await.map_err(InventoryError::from)?;
    let mut found = Vec::new();
    for record in host.state.berths(Some(Kind::Agent)).await? {
        let unit = units.get(&record.container).copied().unwrap_or(UnitState::Inactive);
        let runs = matches!(unit, UnitState::Active | UnitState::Activating);
        let should_not = record.wanted == Wanted::Stopped && !record.is_half_way();
        if runs && should_not && is_free(host, record.container)? {
            found.push(record);
        }
    }
    Ok(found)
}

async fn wanted(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
    starts: Starts,
    report: &mut Report,
) -> Result<(), ReconcileError> {
    for record in up(host).await? {
        if interrupt.is_interrupted() {
            break;
        }
        let outcome = agents::stop(host, &record.name, by, progress, interrupt).await;
        report.add(
            format!("stopped the agent `{}`", record.name),
            outcome.map(|_| ()).map_err(|error| explain(&error)),
        );
    }
    let down = if starts == Starts::Now { down(host).await? } else { Vec::new() };
    for record in down {
        if interrupt.is_interrupted() {
            break;
        }
        let outcome = agents::start(host, &record.name, by, progress, interrupt).await;
        report.add(
            format!("started the agent `{}`", record.name),
            outcome.map(|_| ()).map_err(|error| explain(&error)),
        );
    }
    Ok(())
}
