//! What a container consists of on the host, as files.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use berth_core::conf_file::ContainerConf;
use berth_core::{ContainerName, Layout};

use super::ContainersError;
use crate::replace_file::replace_file;
use crate::rooted;

/// Every place on the host where a container has something of its own, beside
/// its configuration file.
fn trees(layout: &Layout) -> [PathBuf; 3] {
    layout.writable_from_inside()
}

/// The containers that have a part on the host.
pub(super) fn list(layout: &Layout) -> Result<BTreeSet<ContainerName>, ContainersError> {
    let mut found = BTreeSet::new();
    for name in names(&layout.conf_dir())? {
        found.extend(name.strip_suffix(".conf").and_then(|name| name.parse::<ContainerName>().ok()));
    }
    for folder in trees(layout) {
        found.extend(names(&folder)?.iter().filter_map(|name| name.parse::<ContainerName>().ok()));
    }
    Ok(found)
}

/// Whether the configuration file exists.
pub(super) fn has_conf(layout: &Layout, name: ContainerName) -> Result<bool, ContainersError> {
    exists(&layout.conf(name))
}

/// Whether the profile was set. The link is writable from inside, so where it
/// leads says nothing.
pub(super) fn has_profile(layout: &Layout, name: ContainerName) -> Result<bool, ContainersError> {
    exists(&layout.profile(name).join("system"))
}

/// Puts Berth's configuration in the place of the one that nixos-container
/// wrote.
pub(super) fn write_conf(
    layout: &Layout,
    name: ContainerName,
    conf: &ContainerConf,
) -> Result<(), ContainersError> {
    let path = layout.conf(name);
    replace_file(&path, conf.render().as_bytes(), 0o644).map_err(io_error("write", &path))
}

/// Removes the configuration file and what killed writers of it left beside it.
pub(super) fn remove_conf(layout: &Layout, name: ContainerName) -> Result<(), ContainersError> {
    let folder = layout.conf_dir();
    let aside = format!(".{name}.conf.");
    for entry in names(&folder)?.iter().filter(|entry| entry.starts_with(&aside)) {
        remove_file(&folder.join(entry))?;
    }
    remove_file(&layout.conf(name))
}

/// Refuses a root with files in it: nixos-container would adopt it silently.
pub(super) fn refuse_old_root(layout: &Layout, name: ContainerName) -> Result<(), ContainersError> {
    let path = layout.container_root(name);
    if exists(&path)? && !names(&path)?.is_empty() {
        return Err(ContainersError::OldRoot { path });
    }
    Ok(())
}

/// Makes the root, and the folders around what a container can write to for
/// root only. A root that is there keeps its owner and mode: it may have been
/// shifted to the container's ids.
pub(super) fn make_root(layout: &Layout, name: ContainerName) -> Result<(), ContainersError> {
    for folder in trees(layout) {
        make_folder(&folder, 0o700)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).map_err(io_error("close", &folder))?;
    }
    make_folder(&layout.container_root(name), 0o755)
}

/// Removes root, profile and garbage-collector roots, following nothing that
/// container root planted: all three are writable from inside. Goes on after a
/// failure and tells the first.
pub(super) fn remove_trees(layout: &Layout, name: ContainerName) -> Result<(), ContainersError> {
    let mut result = Ok(());
    for folder in trees(layout) {
        if let Err(error) = remove_tree(&folder, name) {
            result = result.and(Err(error));
        }
    }
    result.and(remove_lock(layout, name))
}

fn remove_tree(folder: &Path, name: ContainerName) -> Result<(), ContainersError> {
    if !exists(folder)? {
        return Ok(());
    }
    match fs::symlink_metadata(folder.join(name.to_string())) {
        // A file or a symlink by that name is not a container's work: the
        // folder around it is root's. Removing it follows nothing.
        Ok(found) if !found.is_dir() => remove_file(&folder.join(name.to_string())),
        _ => Ok(rooted::remove_tree(folder, &name.to_string())?),
    }
}

/// The lock that a killed nspawn leaves beside the root.
fn remove_lock(layout: &Layout, name: ContainerName) -> Result<(), ContainersError> {
    remove_file(&layout.container_roots_dir().join(format!(".#{name}.lck")))
}

/// The first part that exists.
pub(super) fn first_left(layout: &Layout, name: ContainerName) -> Result<Option<PathBuf>, ContainersError> {
    let mut parts = vec![layout.conf(name)];
    parts.extend(trees(layout).map(|folder| folder.join(name.to_string())));
    for part in parts {
        if exists(&part)? {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

fn make_folder(path: &Path, mode: u32) -> Result<(), ContainersError> {
    let parent = path.parent().expect("every path of the layout is below its root");
    DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(io_error("make", parent))?;
    match DirBuilder::new().mode(mode).create(path) {
        // The umask took bits away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io_error("open", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_folder = fs::symlink_metadata(path).map_err(io_error("look at", path))?.is_dir();
            if is_folder { Ok(()) } else { Err(ContainersError::NoFolder { path: path.to_owned() }) }
        }
        Err(error) => Err(io_error("make", path)(error)),
    }
}

fn exists(path: &Path) -> Result<bool, ContainersError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

/// The names in a folder that are text; none where it is absent.
fn names(folder: &Path) -> Result<Vec<String>, ContainersError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io_error("read", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn remove_file(path: &Path) -> Result<(), ContainersError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ContainersError {
    let path = path.to_owned();
    move |source| ContainersError::Io { action, path, source }
}
