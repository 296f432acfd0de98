//! The drop-ins in which systemd keeps a unit's properties.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_core::{ContainerName, Layout};

use super::SystemdError;

/// The containers that have drop-ins.
pub(super) fn list(layout: &Layout) -> Result<BTreeSet<ContainerName>, SystemdError> {
    let mut found = BTreeSet::new();
    for folder in layout.unit_control_dirs() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed("read", &folder)(error)),
        };
        for entry in entries {
            let name = entry.map_err(failed("read", &folder))?.file_name();
            let unit = name.to_str().and_then(|name| name.strip_suffix(".d"));
            found.extend(unit.and_then(ContainerName::from_unit));
        }
    }
    Ok(found)
}

/// Removes a unit's drop-ins.
pub(super) fn remove(layout: &Layout, name: ContainerName) -> Result<(), SystemdError> {
    for folder in folders(layout, name) {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &folder)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Where a unit's drop-ins are, if it has any.
pub(super) fn folders(layout: &Layout, name: ContainerName) -> [PathBuf; 2] {
    layout.unit_control_dirs().map(|folder| folder.join(format!("{}.d", name.unit())))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SystemdError {
    let path = path.to_owned();
    move |source| SystemdError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_of_both_folders_are_found_and_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        assert!(list(&layout).expect("no folders yet").is_empty());
        let (a1, a2): (ContainerName, ContainerName) =
            ("a1".parse().expect("a container"), "a2".parse().expect("a container"));
        for path in folders(&layout, a1) {
            fs::create_dir_all(&path).expect("a folder");
            fs::write(path.join("50-MemoryMax.conf"), "[Service]\nMemoryMax=1\n").expect("a file");
        }
        fs::create_dir_all(&folders(&layout, a2)[1]).expect("a folder");
        fs::create_dir_all(layout.unit_control_dirs()[0].join("ssh.service.d")).expect("somebody else's");

        assert_eq!(list(&layout).expect("readable"), BTreeSet::from([a1, a2]));
        remove(&layout, a1).expect("removed");
        remove(&layout, a1).expect("a second time is success");
        assert_eq!(list(&layout).expect("readable"), BTreeSet::from([a2]));
        assert!(layout.unit_control_dirs()[0].join("ssh.service.d").is_dir());
    }
}
