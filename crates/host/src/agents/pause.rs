//! Pausing and resuming: the workspace stays, and so does the berth.

use berth_core::phase::Happening;
use berth_core::{Name, Phase, UnitState, Wanted, plan};

use super::error::{chain, left_detail};
use super::{Actor, AgentError, find, lock, note, preparation};
use crate::apply::{apply, apply_all};
use crate::boot_report;
use crate::firewall_table;
use crate::host::Host;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, Outcome};

/// Pauses an agent. Stopped already is success.
pub async fn stop(
    host: &Host,
    name: &Name,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<BerthRecord, AgentError> {
    let container = find(host, name).await?.container;
    let _lock = lock(host, container, "stop").await?;
    let record = settled(host, name).await?;
    host.state.set_wanted(record.id, Wanted::Stopped).await?;
    let plan = plan::stop(record.container);
    if let Err(source) = apply(host, &plan, progress, interrupt).await {
        note(host, by, &record, "stop", Outcome::Failed, Some(chain(&source))).await;
        return Err(AgentError::Stop { name: name.clone(), source });
    }
    host.state.advance(record.id, record.phase, Happening::Stopped, None).await?;
    note(host, by, &record, "stop", Outcome::Succeeded, None).await;
    find(host, name).await
}

/// Resumes an agent and waits until a login succeeds. Running already is
/// success. Keys and credentials are brought up to what is configured now.
pub async fn start(
    host: &Host,
    name: &Name,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<BerthRecord, AgentError> {
    let container = find(host, name).await?.container;
    let _lock = lock(host, container, "start").await?;
    let record = settled(host, name).await?;
    host.state.set_wanted(record.id, Wanted::Running).await?;
    let pin = firewall_table::pin_of(host, &record).ok_or_else(|| AgentError::WrongPhase {
        name: name.clone(),
        phase: record.phase,
        way_out: format!("its slot {} lies outside `subnet` {}", record.container.slot(), host.config.subnet),
    })?;
    let states = host.tools.systemd.unit_states().await?;
    let gpu = record.gpu.clone();
    let plan = match states.get(&record.container) {
        Some(UnitState::Active) => plan::login(record.container),
        Some(UnitState::Inactive) | None => plan::start(pin, preparation(host, name), gpu, true),
        Some(UnitState::Activating | UnitState::Deactivating | UnitState::Failed) => {
            plan::restart(pin, preparation(host, name), gpu, true)
        }
    };
    match apply(host, &plan, progress, interrupt).await {
        Ok(()) => {
            host.state.advance(record.id, record.phase, Happening::Started, None).await?;
            note(host, by, &record, "start", Outcome::Succeeded, None).await;
            find(host, name).await
        }
        Err(source) => {
            let mut details = boot_report::details(host, record.container, &plan, &source).await;
            let left = apply_all(host, &plan::stop(record.container), progress).await;
            let reason = chain(&source);
            host.state.advance(record.id, record.phase, Happening::Failed, Some(&reason)).await?;
            note(host, by, &record, "start", Outcome::Failed, Some(reason)).await;
            if !left.is_empty() {
                details.push(left_detail(&left));
            }
            Err(AgentError::Start { name: name.clone(), source, details })
        }
    }
}

/// The record under its lock, in a phase in which it can be paused or resumed.
async fn settled(host: &Host, name: &Name) -> Result<BerthRecord, AgentError> {
    let record = find(host, name).await?;
    match record.phase {
        Phase::Running | Phase::Stopped | Phase::Failed => Ok(record),
        // Its lock is free, so whoever worked on it is dead.
        phase @ (Phase::Reserved | Phase::Creating | Phase::Destroying | Phase::Gone) => {
            Err(AgentError::WrongPhase {
                name: name.clone(),
                phase,
                way_out: format!("its last operation was cut short: run `agent destroy {name}`"),
            })
        }
    }
}
