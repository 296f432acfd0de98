//! What others keep of a container outside its root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_core::{ContainerName, Layout};
use thiserror::Error;

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
    remove_propagation(layout, name)?;
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

/// nspawn removes it itself unless it was killed. The guest sees it read-only,
/// so that what lies in it is the host's.
fn remove_propagation(layout: &Layout, name: ContainerName) -> Result<(), ForgetError> {
    let path = layout.propagation_dir().join(name.to_string());
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ForgetError { path, source }),
        _ => Ok(()),
    }
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
        for container in ["a1/mount", "a11"] {
            fs::create_dir_all(layout.propagation_dir().join(container)).expect("a folder");
        }

        for _ in 0..2 {
            apply(&layout, "a1".parse().expect("a container")).expect("forgotten");
        }

        assert!(!layout.propagation_dir().join("a1").exists());
        assert!(layout.propagation_dir().join("a11").exists());
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
