//! nixos-container: making and removing stopped containers.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod parts;
mod real;
#[cfg(test)]
mod tests;
mod tool;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use berth_core::ContainerName;
use berth_core::conf_file::ContainerConf;
use thiserror::Error;

use crate::exec::ExecError;
use crate::rooted::RootedError;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeContainers;
pub use self::real::NixosContainers;

/// The containers that nixos-container keeps.
#[async_trait]
pub trait Containers: Send + Sync {
    /// Makes the stopped container with this configuration and an empty root.
    /// What an earlier attempt left half-made is completed; a root that has
    /// files while nothing else of the container exists is refused.
    async fn create(&self, name: ContainerName, conf: &ContainerConf) -> Result<(), ContainersError>;

    /// Removes the container: its root, its profile, its garbage-collector
    /// roots, its configuration file. Its unit must be inactive. Already gone
    /// is success.
    async fn remove(&self, name: ContainerName) -> Result<(), ContainersError>;

    /// Berth's containers: all of which a configuration file, a root, a
    /// profile or a folder of garbage-collector roots exists. Starts no
    /// process.
    fn list(&self) -> Result<BTreeSet<ContainerName>, ContainersError>;
}

/// Why a container was not made or not removed.
#[derive(Debug, Error)]
pub enum ContainersError {
    /// nixos-container could not make it.
    #[error(transparent)]
    Create(ExecError),
    /// nixos-container could not remove it.
    #[error(transparent)]
    Destroy(ExecError),
    /// Files of an earlier container of that name would be adopted.
    #[error("`{}` has files of an earlier container; remove them with `agent doctor --fix`", path.display())]
    OldRoot {
        /// The root.
        path: PathBuf,
    },
    /// Something that is not a folder stands where the root belongs.
    #[error("`{}` is not a folder; remove it", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The container's files could not be removed.
    #[error(transparent)]
    Tree(#[from] RootedError),
    /// Something was there again after the removal.
    #[error("`{}` came back while {container} was removed: is something still running in it?", path.display())]
    CameBack {
        /// The container.
        container: ContainerName,
        /// What came back.
        path: PathBuf,
    },
    /// The system refused.
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
