//! What others keep of a container outside its root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_core::{ContainerName, Layout};
use rustix::mount::UnmountFlags;
use thiserror::Error;

use crate::rooted::remove_tree;

/// A trace that could not be removed.
#[derive(Debug, Error)]
#[error("`{}` could not be removed", path.display())]
pub struct ForgetError {
    path: PathBuf,
    source: io::Error,
}

/// Removes the pinned host key, the journal link and nspawn's folder of a
/// container that is down. Nothing there is success.
pub(crate) fn apply(layout: &Layout, name: ContainerName) -> Result<(), ForgetError> {
    remove(&layout.known_hosts(name))?;
    remove(&layout.shared_login(name))?;
    clear_killed_nspawn(layout, name)?;
    for link in journal_links(layout, name)? {
        remove(&link)?;
    }
    Ok(())
}

/// The links in the host's journal folder that lead into this container's
/// root. nspawn makes one for each machine id and removes none.
pub(crate) fn journal_links(layout: &Layout, name: ContainerName) -> Result<Vec<PathBuf>, ForgetError> {
    let root = layout.container_root(name);
    let links = all_journal_links(layout)?;
    Ok(links.into_iter().filter(|(_, target)| target.starts_with(&root)).map(|(link, _)| link).collect())
}

/// Every link in the host's journal folder with where it leads.
pub(crate) fn all_journal_links(layout: &Layout) -> Result<Vec<(PathBuf, PathBuf)>, ForgetError> {
    let folder = layout.journal_links_dir();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ForgetError { path: folder, source }),
    };
    let links = entries.flatten().filter_map(|entry| {
        let link = entry.path();
        // Not a link: a journal of the host's own.
        fs::read_link(&link).ok().map(|target| (link, target))
    });
    Ok(links.collect())
}

/// Removes what nspawn removes itself unless it was killed: with the one it
/// would refuse to start again (<https://github.com/systemd/systemd/pull/34776>),
/// in the other a mount of a folder of the host may have stayed, so nothing
/// below a mount is touched. For containers that are down.
pub(crate) fn clear_killed_nspawn(layout: &Layout, name: ContainerName) -> Result<(), ForgetError> {
    let export = layout.socket_export_dir().join(name.to_string());
    // Not a mount or not there: then there is nothing to take away.
    let _ = rustix::mount::unmount(&export, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    for folder in [layout.socket_export_dir(), layout.propagation_dir()] {
        let path = folder.join(name.to_string());
        if fs::symlink_metadata(&path).is_ok() {
            remove_tree(&folder, &name.to_string())
                .map_err(|error| ForgetError { path, source: io::Error::other(error) })?;
        }
    }
    Ok(())
}

pub(crate) fn remove(path: &Path) -> Result<(), ForgetError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ForgetError { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_killed_nspawn_left_is_removed_and_others_keep_theirs() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let folders = [layout.propagation_dir(), layout.socket_export_dir()];
        for container in ["a1/mount", "a11"] {
            for folder in &folders {
                fs::create_dir_all(folder.join(container)).expect("a folder");
            }
        }

        for _ in 0..2 {
            apply(&layout, "a1".parse().expect("a container")).expect("forgotten");
        }

        for folder in folders {
            assert!(!folder.join("a1").exists());
            assert!(folder.join("a11").exists());
        }
    }

    #[test]
    fn a_mount_that_a_killed_nspawn_left_is_not_emptied() {
        use rustix::mount::{mount_bind, unmount};
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let (hosts, left) = (folder.path().join("hosts"), layout.propagation_dir().join("a1/mount"));
        for folder in [&hosts, &left] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(hosts.join("file"), "of the host").expect("written");
        if mount_bind(&hosts, &left).is_err() {
            // Only root can show it.
            return;
        }

        let removed = apply(&layout, "a1".parse().expect("a container"));
        unmount(&left, UnmountFlags::DETACH).expect("it is a mount");

        assert!(removed.is_err(), "the mount is told");
        assert!(hosts.join("file").exists(), "and what it shows stays");
    }

    #[test]
    fn only_the_links_into_this_container_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let (mine, other): (ContainerName, ContainerName) =
            ("a1".parse().expect("a container"), "a11".parse().expect("a container"));
        let journal = layout.journal_links_dir();
        fs::create_dir_all(journal.join("0123")).expect("the host's own journal");
        for (id, container) in [("aaaa", mine), ("bbbb", other)] {
            let target = layout.container_root(container).join("var/log/journal").join(id);
            symlink(target, journal.join(id)).expect("a link");
        }

        apply(&layout, mine).expect("forgotten");

        assert!(fs::symlink_metadata(journal.join("aaaa")).is_err());
        assert!(fs::symlink_metadata(journal.join("bbbb")).is_ok());
        assert!(journal.join("0123").is_dir());
        apply(&layout, mine).expect("a second time is success");
    }
}
