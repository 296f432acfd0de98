//! Starting the services of a preview inside its container.
//!
//! They are no part of the guest's boot: while that goes on there is no network
//! between host and container.

use berth_core::meta::UnitName;
use berth_core::{ContainerName, Meta};

use super::DeployError;
use crate::guests::GuestError;
use crate::host::{Host, duration};
use crate::progress::{Interrupt, Progress};

/// Runs the setup service to its end, then starts the app services. What the
/// setup says is told as it comes.
pub(super) async fn start(
    host: &Host,
    container: ContainerName,
    meta: &Meta,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), DeployError> {
    if let Some(setup) = &meta.setup_service {
        progress.step(&format!("set up with {setup}"));
        restart(host, container, setup, progress, interrupt).await?;
    }
    for unit in &meta.app_services {
        progress.step(&format!("start {unit}"));
        restart(host, container, unit, progress, interrupt).await?;
    }
    Ok(())
}

/// Starts all of them, in order, and waits for none.
pub(super) async fn leave_alone(
    host: &Host,
    container: ContainerName,
    meta: &Meta,
) -> Result<(), DeployError> {
    let units: Vec<UnitName> = meta.setup_service.iter().chain(&meta.app_services).cloned().collect();
    if units.is_empty() {
        return Ok(());
    }
    Ok(host.tools.guests.start_units(container, &units).await?)
}

/// Starts one service anew, telling what it says.
async fn restart(
    host: &Host,
    container: ContainerName,
    unit: &UnitName,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), DeployError> {
    let config = host.config.preview.as_ref();
    let deadline = config.map_or(host.config.deadlines.boot, |config| config.deadlines.setup);
    let tell = |line: &str| progress.line(line);
    let guests = &host.tools.guests;
    tokio::select! {
        biased;
        () = interrupt.interrupted() => {
            Err(DeployError::Interrupted { doing: format!("waiting for {unit}") })
        }
        started = guests.restart_unit(container, unit, duration(deadline)) => {
            started.map_err(|source| failed(unit, source))
        }
        () = guests.follow_unit(container, unit, duration(deadline), &tell) => unreachable!("it follows until it is dropped"),
    }
}

fn failed(unit: &UnitName, source: GuestError) -> DeployError {
    DeployError::Service { unit: unit.clone(), source }
}
