//! Why a preview has no closure.

use std::io;
use std::path::PathBuf;

use berth_core::meta::MetaError;
use thiserror::Error;

use crate::closures::ClosureError;
use crate::lock::LockError;
use crate::nix::NixError;
use crate::state::{ClosureId, StateError};

/// Why a preview has no closure.
#[derive(Debug, Error)]
pub enum PreviewClosureError {
    /// It could not be evaluated or built; what Nix said is kept.
    #[error("could not build the system of the preview; see all that was said with `{see_log}`")]
    Build {
        /// The build, after which its log is named
        /// ([`Layout::build_log`](berth_core::Layout::build_log)).
        build: ClosureId,
        /// How a person sees that log.
        see_log: String,
        /// Why.
        source: BuildFailure,
    },
    /// Somebody interrupted it.
    #[error("interrupted before the system of the preview was built; nothing of the build is left")]
    Interrupted,
    /// Somebody changes the flake all the while.
    #[error("the closures flake `{flake}` was changed again and again while it was looked at; try again")]
    FlakeChanges {
        /// The flake.
        flake: String,
    },
    /// Nix could not be asked, or the closures flake is wrong.
    #[error(transparent)]
    Nix(#[from] NixError),
    /// Somebody else is building the same.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// What a build left could not be removed.
    #[error(transparent)]
    Leftover(#[from] ClosureError),
}

/// Why one build came to nothing.
#[derive(Debug, Error)]
pub enum BuildFailure {
    /// It could not be evaluated, or not measured.
    #[error(transparent)]
    Nix(#[from] NixError),
    /// What came out could not be built.
    #[error("what `preview-config.nix` asks for does not build")]
    Realise(#[source] NixError),
    /// It evaluates, and declares what cannot be.
    #[error("`preview-config.nix` declares what Berth cannot do")]
    Meta(#[source] MetaError),
    /// It is larger than allowed.
    #[error(
        "`preview-config.nix` makes a system of {} with all that it needs, and {} are allowed: \
         leave out what the preview does not need, or ask the operator for more",
        mebibytes(*size), mebibytes(*max)
    )]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The folder of roots could not be made.
    #[error(transparent)]
    Root(Box<ClosureError>),
    /// The log could not be written.
    #[error("could not write the log `{}`", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// With one digit behind the point, so that two sizes that differ look so.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
