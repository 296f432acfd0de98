//! The system inside a running container, reached through its own systemd.
//!
//! Never through `nixos-container run` or nsenter: those bring the host's
//! capabilities and cgroup into the container and leave its seccomp filter.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod real;
mod run;

use async_trait::async_trait;
use berth_core::{ContainerName, Health};
use thiserror::Error;

use crate::exec::ExecError;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeGuests;
pub use self::real::SystemdGuests;
pub use self::run::{Run, RunError, Stdio};

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
    /// Its journal could not be read.
    #[error(transparent)]
    Journal(ExecError),
}
