//! Nix: building closures and keeping them from the garbage collector.

mod build_output;
#[cfg(any(test, feature = "fake"))]
mod fake;
mod messages;
mod real;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use berth_core::StorePath;
use thiserror::Error;

use crate::exec::{ExecError, Watcher};

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeNix;
pub use self::real::NixCli;

/// The Nix of the host.
#[async_trait]
pub trait Nix: Send + Sync {
    /// Builds `flake#attribute` and pins the result by an indirect root at
    /// `root_link` in the same breath, so that no garbage collection comes
    /// between. What Nix says while it works goes to `log`, line by line, safe
    /// to show.
    ///
    /// The link appears only when all is built: dropping the future, or the
    /// deadline, ends the build and leaves an older link as it was.
    async fn build(
        &self,
        flake: &str,
        attribute: &str,
        root_link: &Path,
        deadline: Duration,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError>;

    /// Pins a path that is already in the store. Pinned already is success.
    async fn pin(&self, path: &StorePath, root_link: &Path) -> Result<(), NixError>;

    /// Whether the path is in the store and whole. Starts no process where it
    /// can be told without one.
    async fn is_valid(&self, path: &StorePath) -> Result<bool, NixError>;
}

/// What Nix could not do.
#[derive(Debug, Error)]
pub enum NixError {
    /// Nix ran and refused or failed; what it said says why.
    #[error("`{installable}` does not build:\n{said}")]
    Build {
        /// `FLAKE#ATTRIBUTE`.
        installable: String,
        /// Nix' own error, without the trace.
        said: String,
    },
    /// Nix could not be run to its end.
    #[error(transparent)]
    Run(ExecError),
    /// Nix printed what it never printed before.
    #[error("nix told the result of `{installable}` in a form that Berth does not know")]
    Form {
        /// `FLAKE#ATTRIBUTE`.
        installable: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Not one store path came out.
    #[error(
        "`{installable}` builds {count} things; a closure is one: name its `config.system.build.toplevel`"
    )]
    NotOne {
        /// `FLAKE#ATTRIBUTE`.
        installable: String,
        /// How many.
        count: usize,
    },
    /// A path could not be pinned.
    #[error(transparent)]
    Pin(ExecError),
    /// A path could not be looked at.
    #[error("could not look at `{}`", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nix could not be asked whether a path is valid.
    #[error(transparent)]
    Check(ExecError),
}
