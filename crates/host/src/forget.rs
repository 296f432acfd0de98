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

/// Removes the pinned host key and the journal link of a container. Nothing
/// there is success.
pub(crate) fn apply(layout: &Layout, name: ContainerName) -> Result<(), ForgetError> {
    remove(&layout.known_hosts(name))?;
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
