//! The host's GPU: what is configured, and whether it is there.

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
    /// A device node is not there.
    #[error(
        "the device node `{}` does not exist; see `agent doctor` for what the driver lacks", path.display()
    )]
    Absent {
        /// Its path.
        path: PathBuf,
    },
    /// Something else is in its place.
    #[error("`{}` is no character device; see `agent doctor`", path.display())]
    NoDevice {
        /// Its path.
        path: PathBuf,
    },
    /// The driver's libraries are not there.
    #[error(
        "the driver's folder `{}` does not exist; install the driver, or correct `gpu.driver`", path.display()
    )]
    NoDriver {
        /// Its path.
        path: PathBuf,
    },
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
    match missing(layout, gpu).into_iter().next() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// All that is not there, the driver first.
pub(crate) fn missing(layout: &Layout, gpu: &Gpu) -> Vec<GpuError> {
    let driver = gpu.driver.path();
    let is_there = fs::metadata(layout.on_host(driver)).is_ok_and(|found| found.is_dir());
    let driver = (!is_there).then(|| GpuError::NoDriver { path: driver.to_owned() });
    let nodes = gpu.devices.iter().filter_map(|node| node_missing(layout, node.path()));
    driver.into_iter().chain(nodes).collect()
}

fn node_missing(layout: &Layout, node: &Path) -> Option<GpuError> {
    let path = node.to_owned();
    match fs::metadata(layout.on_host(node)) {
        Ok(found) if found.file_type().is_char_device() => None,
        Ok(_) => Some(GpuError::NoDevice { path }),
        Err(_) => Some(GpuError::Absent { path }),
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
