//! The `.nix` files of a checkout, as a host takes them from a commit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_core::NixFiles;
use berth_core::closure_key::NixFilesError;
use berth_term::Explained;
use thiserror::Error;

/// Where git keeps its own, which is no part of a commit.
const GIT: &str = ".git";

/// Why the files of a checkout cannot be taken.
#[derive(Debug, Error)]
pub(super) enum CheckoutError {
    /// Something in it cannot be read.
    #[error("could not read `{}`", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A link that leads out of the repository, which has nothing outside.
    #[error("`{}` is a link that leads out of the repository: a preview has nothing outside of it", path.display())]
    LeavesRepository {
        /// The link.
        path: PathBuf,
    },
    /// A file that cannot take part.
    #[error(transparent)]
    Files(#[from] NixFilesError),
}

impl Explained for CheckoutError {}

/// All files below a folder whose names end in `.nix`; a link to one is taken as
/// a copy of it, and folders behind links are not looked into. What git would
/// ignore is taken too: whether a file is committed is not for us to say.
pub(super) fn nix_files(top: &Path) -> Result<NixFiles, CheckoutError> {
    let real_top = top.canonicalize().map_err(|source| CheckoutError::Read { path: top.into(), source })?;
    let mut checkout = Checkout { top, real_top, files: NixFiles::new() };
    checkout.folder(top)?;
    Ok(checkout.files)
}

struct Checkout<'a> {
    top: &'a Path,
    /// The same without links.
    real_top: PathBuf,
    files: NixFiles,
}

impl Checkout<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), CheckoutError> {
        let failed = |source| CheckoutError::Read { path: folder.to_owned(), source };
        let entries: io::Result<Vec<fs::DirEntry>> = fs::read_dir(folder).map_err(failed)?.collect();
        let mut entries = entries.map_err(failed)?;
        // Problems are told in the same order every time.
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            let is_nix = path.extension().is_some_and(|extension| extension == "nix");
            if kind.is_dir() && entry.file_name() != GIT {
                self.folder(&path)?;
            } else if is_nix && kind.is_file() {
                self.take(&path)?;
            } else if is_nix && kind.is_symlink() {
                self.follow(&path)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, link: &Path) -> Result<(), CheckoutError> {
        match link.canonicalize() {
            Ok(target) if !target.starts_with(&self.real_top) => {
                Err(CheckoutError::LeavesRepository { path: link.to_owned() })
            }
            Ok(target) if target.is_file() => self.take(link),
            // Nix says that it is missing, if it is needed.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn take(&mut self, path: &Path) -> Result<(), CheckoutError> {
        let content =
            fs::read(path).map_err(|source| CheckoutError::Read { path: path.to_owned(), source })?;
        let name = path.strip_prefix(self.top).expect("it lies below the top").to_string_lossy();
        Ok(self.files.insert(name, content)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, content) in
            [("preview-config.nix", "{ }"), ("nix/a.nix", "1"), (".git/b.nix", "2"), ("README.md", "")]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, content).expect("written");
        }
        folder
    }

    fn names(files: &NixFiles) -> Vec<&str> {
        files.iter().map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn the_nix_files_are_taken_and_links_inside_are_copies() {
        let folder = checkout();
        symlink("a.nix", folder.path().join("nix/link.nix")).expect("linked");
        symlink("gone.nix", folder.path().join("dangling.nix")).expect("linked");
        symlink("nix", folder.path().join("folder.nix")).expect("linked");
        let files = nix_files(folder.path()).expect("taken");
        assert_eq!(names(&files), ["nix/a.nix", "nix/link.nix", "preview-config.nix"]);
    }

    #[test]
    fn a_link_that_leaves_the_repository_is_refused_by_name() {
        let folder = checkout();
        let link = folder.path().join("secret.nix");
        symlink("/etc/passwd", &link).expect("linked");
        let error = nix_files(folder.path()).expect_err("refused").to_string();
        assert!(error.starts_with(&format!("`{}` is a link that leads out", link.display())), "{error}");
    }
}
