//! The host's GPU: what is configured, and whether it is there.

use std::fmt;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use berth_core::{Gpu, Layout};
use thiserror::Error;

use crate::host::Host;

/// Why nobody can be given the GPU.
#[derive(Debug, Error)]
pub enum GpuError {
    /// The operator offers none.
    #[error("this host offers no GPU: add the section `[gpu]` to `{}`, or leave `--gpu` out", config.display())]
    NotOffered {
        /// The configuration file.
        config: PathBuf,
    },
    /// Not all of it is there.
    #[error("{0}; {next_step}", next_step = .0.next_step())]
    Lacks(Lack),
}

/// Something of the GPU that is not there. As text without what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The device node of this path.
    Node(PathBuf),
    /// Something else is in the place of a device node.
    CharacterDevice(PathBuf),
    /// The folder with the driver's libraries.
    Driver(PathBuf),
}

impl Lack {
    /// For who wants to use it; `agent doctor` tells who can mend it more.
    fn next_step(&self) -> &'static str {
        match self {
            Self::Node(_) => "see `agent doctor` for what the driver lacks",
            Self::CharacterDevice(_) => "see `agent doctor`",
            Self::Driver(_) => "install the driver, or correct `gpu.driver`",
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(path) => write!(f, "the device node `{}` does not exist", path.display()),
            Self::CharacterDevice(path) => write!(f, "`{}` is no character device", path.display()),
            Self::Driver(path) => write!(f, "the driver's folder `{}` does not exist", path.display()),
        }
    }
}

/// What an agent made with `--gpu` gets now, if all of it is there.
pub(crate) fn offered(host: &Host) -> Result<Gpu, GpuError> {
    let not_offered = || GpuError::NotOffered { config: host.layout.config_file() };
    let gpu = host.config.gpu.as_ref().ok_or_else(not_offered)?.gpu.clone();
    check(&host.layout, &gpu)?;
    Ok(gpu)
}

/// Refuses to give away what is not there: nspawn would only say that a mount
/// failed.
pub(crate) fn check(layout: &Layout, gpu: &Gpu) -> Result<(), GpuError> {
    missing(layout, gpu).into_iter().next().map_or(Ok(()), |lack| Err(GpuError::Lacks(lack)))
}

/// All that is not there, the driver first.
pub(crate) fn missing(layout: &Layout, gpu: &Gpu) -> Vec<Lack> {
    let driver = gpu.driver.path();
    let is_there = fs::metadata(layout.on_host(driver)).is_ok_and(|found| found.is_dir());
    let driver = (!is_there).then(|| Lack::Driver(driver.to_owned()));
    let nodes = gpu.devices.iter().filter_map(|node| node_missing(layout, node.path()));
    driver.into_iter().chain(nodes).collect()
}

fn node_missing(layout: &Layout, node: &Path) -> Option<Lack> {
    match fs::metadata(layout.on_host(node)) {
        Ok(found) if found.file_type().is_char_device() => None,
        Ok(_) => Some(Lack::CharacterDevice(node.to_owned())),
        Err(_) => Some(Lack::Node(node.to_owned())),
    }
}

/// Device nodes that are `/dev/null`, and an empty folder as driver.
#[cfg(test)]
pub(crate) fn stand_in(layout: &Layout, gpu: &Gpu) {
    fs::create_dir_all(layout.on_host(gpu.driver.path())).expect("a folder");
    for node in &gpu.devices {
        let path = layout.on_host(node.path());
        fs::create_dir_all(path.parent().expect("nodes lie below /dev")).expect("a folder");
        std::os::unix::fs::symlink("/dev/null", path).expect("linked");
    }
}
