//! Logging in to containers through ssh, with keys pinned on both sides.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod real;
mod route;
mod ssh;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use async_trait::async_trait;
use berth_core::ContainerName;
use thiserror::Error;

use crate::exec::ExecError;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeLogins;
pub use self::real::SshLogins;
pub use self::ssh::Session;

/// Where and as whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The container.
    pub container: ContainerName,
    /// Its address.
    pub address: Ipv4Addr,
    /// The public host key that its sshd must prove, as in an `authorized_keys`
    /// line (`ssh-ed25519 AAAA…`).
    pub host_key: String,
}

/// Logins as the user `agent`.
#[async_trait]
pub trait Logins: Send + Sync {
    /// Tries once whether `true` succeeds. An `Err` means that it never will:
    /// the client or its key is missing, or another key answers than the one
    /// that was pinned. While nothing listens yet a try starts no process.
    async fn probe(&self, target: &Target) -> Result<Probe, LoginError>;
}

/// What came of one try to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `true` ran inside.
    LoggedIn,
    /// Not yet.
    NotYet(Hurdle),
}

/// How far a try came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hurdle {
    /// Nothing answers at the address.
    Unreachable,
    /// The system is up and its sshd does not listen.
    Refused,
    /// ssh got an answer and no login; what it said, safe to show.
    NoLogin(String),
}

impl fmt::Display for Hurdle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("nothing answers at its address"),
            Self::Refused => f.write_str("its sshd does not listen"),
            Self::NoLogin(said) => write!(f, "ssh says: {said}"),
        }
    }
}

/// Why no login will ever succeed.
#[derive(Debug, Error)]
pub enum LoginError {
    /// ssh cannot be run.
    #[error(transparent)]
    Run(ExecError),
    /// Something at the address proves another host key.
    #[error(
        "what answers as {container} does not have the host key that Berth gave it: \
         do not trust it; `agent destroy` it and create it anew"
    )]
    HostKey {
        /// The container.
        container: ContainerName,
    },
    /// The socket of an earlier login could not be removed.
    #[error("could not remove `{}`", path.display())]
    SharedLogin {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file with the pinned key could not be written.
    #[error("could not write `{}`", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
