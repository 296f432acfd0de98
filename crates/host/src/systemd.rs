//! The host's systemd: container units, their limits, their journal.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod journal;
mod limits;
mod real;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::{ContainerName, Gpu, Limits, UnitState};
use thiserror::Error;

use crate::exec::ExecError;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeSystemd;
pub use self::real::SystemdUnits;

/// The units `container@…` of Berth's containers.
#[async_trait]
pub trait Systemd: Send + Sync {
    /// The state of every loaded unit, in one question to systemd however many
    /// there are. A container that is not in the answer is inactive.
    async fn unit_states(&self) -> Result<BTreeMap<ContainerName, UnitState>, SystemdError>;

    /// The containers that systemd has started again by itself since somebody
    /// last started them: after a crash, or a reboot from inside. What is no part
    /// of their boot is down.
    async fn restarted(&self) -> Result<BTreeSet<ContainerName>, SystemdError>;

    /// Starts a container and waits until the system inside says it is ready.
    ///
    /// systemd goes on with a start whose caller has gone. So when the
    /// deadline passes the unit has been stopped before this returns, and when
    /// the future is dropped a stop has taken the place of the start. Only
    /// after a failure the unit is left as it is, for others to look at; it
    /// may be restarting, so [`stop`](Self::stop) it.
    async fn start(&self, name: ContainerName, deadline: Duration) -> Result<(), SystemdError>;

    /// Stops a container: asks, and after `patience` kills. Returns once the
    /// unit is inactive and its failures and start counter are forgotten.
    async fn stop(&self, name: ContainerName, patience: Duration) -> Result<(), SystemdError>;

    /// Sets the unit's limits, for now and for later starts.
    async fn set_limits(&self, name: ContainerName, limits: &Limits) -> Result<(), SystemdError>;

    /// Lets what runs in the unit open a GPU's device nodes, now and at later
    /// starts.
    async fn allow_gpu(&self, name: ContainerName, gpu: &Gpu) -> Result<(), SystemdError>;

    /// Takes all properties of the unit back. None set is success. For units
    /// that are inactive: one that runs keeps its limits until it stops.
    async fn revert(&self, name: ContainerName) -> Result<(), SystemdError>;

    /// The containers whose units have properties of their own on disk.
    /// Starts no process.
    fn limited(&self) -> Result<BTreeSet<ContainerName>, SystemdError>;

    /// The last lines that the unit wrote into the host's journal since its
    /// latest start (nspawn, the start script and the guard speak there),
    /// safe to show.
    async fn unit_log(&self, name: ContainerName, lines: u32) -> Result<String, SystemdError>;
}

/// What the host's systemd could not do.
#[derive(Debug, Error)]
pub enum SystemdError {
    /// The units could not be listed.
    #[error(transparent)]
    List(ExecError),
    /// A unit did not start.
    #[error(transparent)]
    Start(ExecError),
    /// A unit was not up in time. It has been stopped.
    #[error(
        "{container} was not up within {after:?} and was stopped; raise `deadlines.boot` if it only needs longer"
    )]
    NotUp {
        /// The container.
        container: ContainerName,
        /// The deadline.
        after: Duration,
    },
    /// A unit did not stop.
    #[error(transparent)]
    Stop(ExecError),
    /// A unit outlived SIGKILL.
    #[error(
        "{container} is still there {after:?} after everything in it was killed: a process hangs in the kernel"
    )]
    Undead {
        /// The container.
        container: ContainerName,
        /// How long it was waited for.
        after: Duration,
        /// What the last wait said.
        source: ExecError,
    },
    /// A unit's failures were not forgotten.
    #[error(transparent)]
    ResetFailed(ExecError),
    /// Limits were not set, or not taken back.
    #[error(transparent)]
    SetLimits(ExecError),
    /// Devices were not allowed.
    #[error(transparent)]
    AllowGpu(ExecError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(ExecError),
    /// systemctl printed what it never printed before.
    #[error("systemctl listed units in a form that Berth does not know: {0}")]
    Form(#[source] serde_json::Error),
    /// A unit is in a state that Berth does not know.
    #[error("systemd calls {container} `{state}`, a state that Berth does not know")]
    State {
        /// The container.
        container: ContainerName,
        /// The word.
        state: String,
    },
    /// The files of a unit's properties.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
