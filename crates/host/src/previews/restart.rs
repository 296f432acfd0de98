//! Starting a preview again: when somebody asks, and after a reboot of the
//! host.

use berth_core::preview_phase::PreviewEvent;
use berth_core::{Name, PreviewPhase, UnitState, plan};

use super::deploy::{self, Failed};
use super::{DeployError, PreviewError, config, find, locked, note, ready, route, services, told};
use crate::agents::{Actor, chain};
use crate::apply::apply;
use crate::boot_report;
use crate::firewall_table;
use crate::host::{Host, duration};
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, Outcome, PreviewRecord};

/// Stops the container of a preview and starts it again with its services. What
/// they are told is brought up to what is configured now.
pub async fn restart(
    host: &Host,
    slug: &Name,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<PreviewRecord, PreviewError> {
    let config = config(host)?;
    let (record, _lock) = locked(host, slug, "restart", interrupt).await?;
    if !matches!(record.phase, PreviewPhase::Ready | PreviewPhase::Running) {
        let way_out = match record.phase {
            PreviewPhase::Failed => format!("try again with `preview update {slug}`"),
            _ => "its last operation was cut short: run `preview doctor --fix`".to_owned(),
        };
        return Err(PreviewError::WrongPhase { slug: slug.clone(), phase: record.phase, way_out });
    }
    match bring_up(host, config, &record, progress, interrupt).await {
        Ok(()) => {
            host.state.advance_preview(record.id, record.phase, PreviewEvent::Answered, None).await?;
            note(host, by, &record, None, "restart", Outcome::Succeeded, None).await;
            find(host, slug).await
        }
        Err(Failed { source, details }) => {
            note(host, by, &record, None, "restart", Outcome::Failed, Some(chain(&source))).await;
            Err(PreviewError::Restart { slug: slug.clone(), source: Box::new(source), details })
        }
    }
}

async fn bring_up(
    host: &Host,
    config: &berth_core::config::PreviewConfig,
    record: &PreviewRecord,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), Failed> {
    let berth = serving(host, record).await?;
    let (Some(commit), Some(meta)) = (&record.commit, &record.meta) else {
        return Err(DeployError::NoBerth.into());
    };
    let pin = firewall_table::pin_of(host, &berth)
        .ok_or(DeployError::NoAddress { slot: berth.container.slot().get(), subnet: host.config.subnet })?;
    let environment = told::environment(host, config, record, commit, meta)?;
    let preparation = told::preparation(record, environment);
    let patience = duration(host.config.deadlines.boot) + duration(host.config.deadlines.stop);
    let _lock = host.locks.lock(berth.container, "restart", patience).await.map_err(DeployError::from)?;
    let states = host.tools.systemd.unit_states().await.map_err(DeployError::from)?;
    let plan = match states.get(&berth.container) {
        Some(UnitState::Inactive) | None => plan::start(pin, preparation, false),
        Some(UnitState::Active | UnitState::Activating | UnitState::Deactivating | UnitState::Failed) => {
            plan::restart(pin, preparation, false)
        }
    };
    if let Err(error) = apply(host, &plan, progress, interrupt).await {
        let details = boot_report::details(host, berth.container, &plan, &error).await;
        return Err(Failed { source: error.into(), details });
    }
    let served = async {
        services::start(host, berth.container, meta, progress, interrupt).await?;
        ready::await_answer(host, config, record, meta, &berth, progress, interrupt).await?;
        route::lead_to(host, config, record, meta, &berth).await
    };
    match served.await {
        Ok(()) => Ok(()),
        Err(source) => {
            let details = deploy::service_logs(host, berth.container, meta, &source).await;
            Err(Failed { source, details })
        }
    }
}

/// The berth that serves a preview.
pub(super) async fn serving(host: &Host, record: &PreviewRecord) -> Result<BerthRecord, DeployError> {
    let berths = host.state.berths_of(record.id).await?;
    berths.into_iter().find(|berth| Some(berth.id) == record.berth).ok_or(DeployError::NoBerth)
}
