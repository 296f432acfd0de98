//! Removing agents.

use berth_core::firewall::Pin;
use berth_core::phase::Happening;
use berth_core::plan::{self, Plan};
use berth_core::{Kind, Name, Phase, Wanted};

use super::error::left_detail;
use super::{Actor, AgentError, find, lock, note};
use crate::apply::{LeftBehind, apply_all};
use crate::closures;
use crate::firewall_table;
use crate::host::Host;
use crate::progress::Progress;
use crate::state::{BerthRecord, Outcome};

/// What a destroy found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destroyed {
    /// It existed, and nothing of it is left.
    Removed,
    /// There was no such agent, or somebody else has just removed it.
    NotThere,
}

/// Removes an agent and everything that belongs to it. Not there is success:
/// the caller wants it gone.
pub async fn destroy(
    host: &Host,
    name: &Name,
    by: &Actor,
    progress: &dyn Progress,
) -> Result<Destroyed, AgentError> {
    let Some(record) = host.state.berth_named(Kind::Agent, name).await? else {
        return Ok(Destroyed::NotThere);
    };
    let _lock = lock(host, record.container, "destroy").await?;
    // Whoever held the lock may have removed it, and the name may have been
    // given to a new agent since: only the one we saw is ours to remove.
    match host.state.berth_named(Kind::Agent, name).await? {
        Some(now) if now.id == record.id => destroy_record(host, &now, by, "destroy", progress).await,
        Some(_) | None => Ok(Destroyed::NotThere),
    }
}

/// The steps that a destroy would take, for `--dry-run`.
pub async fn plan_destroy(host: &Host, name: &Name) -> Result<Plan, AgentError> {
    let record = find(host, name).await?;
    Ok(plan::destroy(firewall_table::pin_of_removed(host, record.container)))
}

/// Removes every agent that has outlived its time, and tells which. One that
/// cannot be removed does not keep the others.
pub async fn expire(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
) -> Result<Vec<(Name, Result<Destroyed, AgentError>)>, AgentError> {
    let mut outcomes = Vec::new();
    for record in host.state.expired(Kind::Agent, (host.now)()).await? {
        let _lock = match lock(host, record.container, "expire").await {
            Ok(lock) => lock,
            Err(error) => {
                outcomes.push((record.name, Err(error)));
                continue;
            }
        };
        let outcome = match host.state.berth_named(Kind::Agent, &record.name).await? {
            Some(now) if now.id == record.id => destroy_record(host, &now, by, "expire", progress).await,
            Some(_) | None => Ok(Destroyed::NotThere),
        };
        outcomes.push((record.name, outcome));
    }
    Ok(outcomes)
}

/// Removes what belongs to a record, then the record. Its lock is held.
pub(crate) async fn destroy_record(
    host: &Host,
    record: &BerthRecord,
    by: &Actor,
    action: &'static str,
    progress: &dyn Progress,
) -> Result<Destroyed, AgentError> {
    note(host, by, record, action, Outcome::Began, None).await;
    host.state.set_wanted(record.id, Wanted::Absent).await?;
    host.state.advance(record.id, record.phase, Happening::DestroyBegan, None).await?;
    let left = clear(host, firewall_table::pin_of_removed(host, record.container), progress).await;
    if !left.is_empty() {
        let reason = left_detail(&left).lines.join("; ");
        host.state.advance(record.id, Phase::Destroying, Happening::DestroyBegan, Some(&reason)).await?;
        note(host, by, record, action, Outcome::Failed, Some(reason)).await;
        return Err(AgentError::Destroy { name: record.name.clone(), left });
    }
    host.state.remove(record.id).await?;
    note(host, by, record, action, Outcome::Succeeded, None).await;
    closures::release_unused(host, progress).await;
    Ok(Destroyed::Removed)
}

/// Removes everything that the host has of a container. Its lock is held.
pub(crate) async fn clear(host: &Host, pin: Pin, progress: &dyn Progress) -> Vec<LeftBehind> {
    apply_all(host, &plan::destroy(pin), progress).await
}
