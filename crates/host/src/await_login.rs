//! Waiting until a container can be worked in.

use std::time::Duration;

use berth_core::{ContainerName, Kind, UnitState};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::host::{Host, duration};
use crate::login::{Hurdle, LoginError, Probe, Target};
use crate::state::{BerthRecord, StateError};
use crate::systemd::SystemdError;

/// Between two tries. A refused connection costs next to nothing.
const PAUSE: Duration = Duration::from_millis(15);
/// How often systemd is asked whether the container is still alive.
const CHECK_ALIVE: Duration = Duration::from_secs(2);

/// Why no login succeeded.
#[derive(Debug, Error)]
pub enum WaitError {
    /// It never will.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The container went down while we waited.
    #[error("the container went down before ssh answered")]
    WentDown,
    /// Time ran out.
    #[error(
        "no login within {after:?}: {hurdle}; raise `deadlines.boot` if the system inside only needs longer"
    )]
    Deadline {
        /// The deadline.
        after: Duration,
        /// How far the last try came.
        hurdle: Hurdle,
    },
    /// The record has no pinned host key, or its slot has no address.
    #[error("the record of {0} has no host key or no address; run `agent doctor`")]
    NoTarget(ContainerName),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

/// Where a berth's sshd is and how to know it; none when its host key was never
/// pinned or its slot lies outside the configured subnet.
pub fn target(host: &Host, record: &BerthRecord) -> Option<Target> {
    let addresses = host.config.subnet.addresses(record.container.slot())?;
    let host_key = record.host_key.clone()?;
    Some(Target { container: record.container, address: addresses.container, host_key })
}

/// Waits until a login with the pinned keys succeeds, and asks the system
/// inside how it is meanwhile.
pub(crate) async fn apply(host: &Host, name: ContainerName) -> Result<(), WaitError> {
    let record = host.state.berth_in(name).await?.ok_or(WaitError::NoTarget(name))?;
    let target = target(host, &record).ok_or(WaitError::NoTarget(name))?;
    let patience = duration(host.config.deadlines.boot);
    let (login, ()) = tokio::join!(until_login(host, &target, patience), note_condition(host, &record));
    login
}

async fn until_login(host: &Host, target: &Target, patience: Duration) -> Result<(), WaitError> {
    let started = Instant::now();
    let mut last_check = started;
    while let Probe::NotYet(hurdle) = host.tools.logins.probe(target).await? {
        if started.elapsed() > patience {
            return Err(WaitError::Deadline { after: patience, hurdle });
        }
        if last_check.elapsed() > CHECK_ALIVE {
            last_check = Instant::now();
            check_alive(host, target.container).await?;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn check_alive(host: &Host, name: ContainerName) -> Result<(), WaitError> {
    let states = host.tools.systemd.unit_states().await?;
    match states.get(&name) {
        Some(UnitState::Active | UnitState::Activating) => Ok(()),
        Some(UnitState::Inactive | UnitState::Deactivating | UnitState::Failed) | None => {
            Err(WaitError::WentDown)
        }
    }
}

/// Records the condition of the system inside. It is for people to see; that
/// it cannot be told is no reason to fail.
async fn note_condition(host: &Host, record: &BerthRecord) {
    debug_assert_eq!(record.kind, Kind::Agent, "only agents are waited for by login");
    let noted = match host.tools.guests.condition(record.container).await {
        Ok(condition) => host.state.set_health(record.id, condition.health, &condition.failed_units).await,
        Err(error) => {
            tracing::debug!(container = %record.container, %error, "the condition inside could not be told");
            return;
        }
    };
    if let Err(error) = noted {
        tracing::warn!(container = %record.container, %error, "the condition inside could not be recorded");
    }
}
