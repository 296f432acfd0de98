//! Starting a preview again: when somebody asks, and after a reboot of the
//! host.

use berth_core::config::PreviewConfig;
use berth_core::plan::{self, Plan};
use berth_core::preview_phase::PreviewEvent;
use berth_core::{Meta, Name, PreviewPhase, UnitState};

use super::deploy::{self, Failed};
use super::{DeployError, PreviewError, config, find, locked, note, ready, route, services, told};
use crate::agents::{Actor, Detail, chain};
use crate::apply::apply;
use crate::boot_report;
use crate::environment;
use crate::firewall_table;
use crate::host::{Host, duration};
use crate::lock::Lock;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, Outcome, PreviewRecord};

const ACTION: &str = "restart";

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
    let (record, _lock) = locked(host, slug, ACTION, interrupt).await?;
    restart_locked(host, config, &record, by, progress, interrupt).await?;
    find(host, slug).await
}

/// The same for who holds the preview's lock. From the first service that is
/// stopped until the answer it is `setting up`: a repair finishes what is killed
/// there. One that fails leaves it `running`, with the reason.
pub(super) async fn restart_locked(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), PreviewError> {
    let slug = &record.slug;
    if !matches!(record.phase, PreviewPhase::Ready | PreviewPhase::Running) {
        let way_out = match record.phase {
            PreviewPhase::Failed => format!("try again with `preview update {slug}`"),
            _ => "its last operation was cut short: run `preview doctor --fix`".to_owned(),
        };
        return Err(PreviewError::WrongPhase { slug: slug.clone(), phase: record.phase, way_out });
    }
    let ready = match prepare(host, config, record).await {
        Ok(ready) => ready,
        // It runs on as it did.
        Err(source) => return Err(failed(host, record, Failed::from(source), by).await),
    };
    host.state.advance_preview(record.id, record.phase, PreviewEvent::SetupBegan, None).await?;
    let up = bring_up(host, config, record, &ready, progress, interrupt).await;
    end(host, record, up, by).await
}

/// Brings a deployed preview up that was killed while it was set up. Its lock is
/// held.
pub(super) async fn set_up_again(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), PreviewError> {
    let up = async {
        let ready = prepare(host, config, record).await?;
        bring_up(host, config, record, &ready, progress, interrupt).await
    };
    end(host, record, up.await, by).await
}

/// Records how setting up ended.
async fn end(
    host: &Host,
    record: &PreviewRecord,
    up: Result<(), Failed>,
    by: &Actor,
) -> Result<(), PreviewError> {
    let advance = async |event, reason| {
        host.state.advance_preview(record.id, PreviewPhase::SettingUp, event, reason).await
    };
    match up {
        Ok(()) => {
            advance(PreviewEvent::Answered, None).await?;
            note(host, by, record, ACTION, Outcome::Succeeded, None).await;
            Ok(())
        }
        Err(came_to_nothing) => {
            let reason = format!("its last restart came to nothing: {}", chain(&came_to_nothing.source));
            advance(PreviewEvent::UpdateFailedUnanswered, Some(&reason)).await?;
            Err(failed(host, record, came_to_nothing, by).await)
        }
    }
}

async fn failed(host: &Host, record: &PreviewRecord, failed: Failed, by: &Actor) -> PreviewError {
    let Failed { source, mut details } = failed;
    note(host, by, record, ACTION, Outcome::Failed, Some(chain(&source))).await;
    if !source.is_interrupt() {
        // What somebody changed inside may keep the container from ever starting.
        let lines = vec![format!("have a new container made with `preview update {} --force`", record.slug)];
        details.push(Detail { title: "if it does not start again".to_owned(), lines });
    }
    PreviewError::Restart { slug: record.slug.clone(), source: Box::new(source), details }
}

/// What is needed to bring a preview up.
struct Ready<'a> {
    meta: &'a Meta,
    berth: BerthRecord,
    plan: Plan,
    /// A hash of what its services are told, which may have changed.
    inputs: String,
    #[expect(dead_code, reason = "it is held until the preview is up")]
    lock: Lock,
}

/// Finds all that is needed, and changes nothing.
async fn prepare<'a>(
    host: &Host,
    config: &PreviewConfig,
    record: &'a PreviewRecord,
) -> Result<Ready<'a>, DeployError> {
    let berth = serving(host, record).await?;
    let (Some(commit), Some(meta)) = (&record.commit, &record.meta) else {
        return Err(DeployError::NoBerth);
    };
    let pin = firewall_table::pin_of(host, &berth)
        .ok_or(DeployError::NoAddress { slot: berth.container.slot().get(), subnet: host.config.subnet })?;
    let environment = told::environment(host, config, record, commit, meta)?;
    let inputs = environment::digest(&host.layout, host.config.subnet, &environment, berth.gpu.as_ref())?;
    let preparation = told::preparation(record, environment);
    let patience = duration(host.config.deadlines.boot) + duration(host.config.deadlines.stop);
    let lock = host.locks.lock(berth.container, ACTION, patience).await?;
    let states = host.tools.systemd.unit_states().await?;
    let gpu = berth.gpu.clone();
    let plan = match states.get(&berth.container) {
        Some(UnitState::Inactive) | None => plan::start(pin, preparation, gpu, false),
        Some(UnitState::Active | UnitState::Activating | UnitState::Deactivating | UnitState::Failed) => {
            plan::restart(pin, preparation, gpu, false)
        }
    };
    Ok(Ready { meta, berth, plan, inputs, lock })
}

async fn bring_up(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    ready: &Ready<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), Failed> {
    let Ready { meta, berth, plan, inputs, .. } = ready;
    if let Err(error) = apply(host, plan, progress, interrupt).await {
        let details = boot_report::details(host, berth.container, plan, &error).await;
        return Err(Failed { source: error.into(), details });
    }
    let served = async {
        services::start(host, berth.container, meta, progress, interrupt).await?;
        ready::await_answer(host, config, record, meta, berth, progress, interrupt).await?;
        route::lead_to(host, config, record, meta, berth).await?;
        Ok(host.state.set_inputs(record.id, inputs).await?)
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
