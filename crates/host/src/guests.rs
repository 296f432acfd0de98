//! The system inside a running container, reached through its own systemd.
//!
//! Never through `nixos-container run` or nsenter: those bring the host's
//! capabilities and cgroup into the container and leave its seccomp filter.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod real;
mod run;
mod services;

use std::time::Duration;

use async_trait::async_trait;
use berth_core::meta::UnitName;
use berth_core::{ContainerName, Health};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::exec::{ExecError, Watcher};

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeGuests;
pub use self::real::SystemdGuests;
pub use self::run::{Run, RunError, Stdio, User};

/// What the system inside says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether a unit inside has failed.
    pub health: Health,
    /// The units that have, safe to show.
    pub failed_units: Vec<String>,
}

/// The systems inside running containers.
#[async_trait]
pub trait Guests: Send + Sync {
    /// Asks the system inside how it is.
    async fn condition(&self, name: ContainerName) -> Result<Condition, GuestError>;

    /// The last lines of the journal inside, for an error message, safe to
    /// show.
    async fn journal_tail(&self, name: ContainerName, lines: u32) -> Result<String, GuestError>;

    /// Starts a service inside, or stops it and starts it again, and waits
    /// until the systemd inside says that it is up (of a oneshot: that it is
    /// done). At the deadline the service is stopped.
    async fn restart_unit(
        &self,
        name: ContainerName,
        unit: &UnitName,
        deadline: Duration,
    ) -> Result<(), GuestError>;

    /// Starts services inside one after the other and waits for none: the
    /// systemd inside goes on by itself, and stops at the first that fails.
    async fn start_units(&self, name: ContainerName, units: &[UnitName]) -> Result<(), GuestError>;

    /// The last lines that a service inside wrote since it was last started,
    /// safe to show.
    async fn unit_tail(&self, name: ContainerName, unit: &str, lines: u32) -> Result<String, GuestError>;

    /// Tells each line that a service inside writes from now on, safe to show,
    /// until the deadline, and never ends: it is for dropping. What cannot be
    /// followed is not told: the log is there afterwards.
    async fn follow_unit(&self, name: ContainerName, unit: &UnitName, deadline: Duration, log: Watcher<'_>);

    /// Puts a file in its place inside, whole or not at all, with its owner and
    /// mode from the first byte on. The content is in no argument.
    async fn replace_file(&self, name: ContainerName, file: GuestFile) -> Result<(), GuestError>;
}

/// A file to be put into a running container.
#[derive(Clone, Debug)]
pub struct GuestFile {
    /// Its absolute path inside.
    pub path: String,
    /// What it is to hold.
    pub content: Zeroizing<Vec<u8>>,
    /// The user id and group id inside.
    pub owner: u32,
    /// Its permission bits.
    pub mode: u32,
}

/// What could not be learnt from inside a container.
#[derive(Debug, Error)]
pub enum GuestError {
    /// Its systemd did not answer.
    #[error(transparent)]
    Condition(ExecError),
    /// Its systemd answered what no systemd answers.
    #[error("the system in {container} answered in a form that Berth does not know")]
    Form {
        /// The container.
        container: ContainerName,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A service inside did not start.
    #[error(transparent)]
    Unit(ExecError),
    /// A service inside was not up in time. It has been stopped.
    #[error("`{unit}` in {container} was not done within {after:?} and was stopped")]
    UnitDeadline {
        /// The container.
        container: ContainerName,
        /// The service.
        unit: UnitName,
        /// The deadline.
        after: Duration,
    },
    /// A file could not be put into it.
    #[error(transparent)]
    File(ExecError),
    /// Its journal could not be read.
    #[error(transparent)]
    Journal(ExecError),
}
