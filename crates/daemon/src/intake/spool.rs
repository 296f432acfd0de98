//! The folder in which `preview-webhook` stores deliveries.
//!
//! Who writes there faces the internet, so the folder is taken for hostile: it
//! is opened once, its files are opened relative to it without following links
//! and without waiting, and must be regular files of its owner, with one link,
//! within the bound. What is wrong is moved where only root can go, and there
//! are never many of those.

use std::ffi::CStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use berth_core::delivery::{SPOOL_FILE_MAX, SpoolName};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use thiserror::Error;

/// So many files are listed at once; the rest wait for the next look.
const ENTRIES_MAX: usize = 10_000;
/// So many files are kept aside; then the oldest go.
const ASIDE_MAX: usize = 100;

/// What went wrong with the spool.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The folder cannot be opened, listed or changed.
    #[error("the spool `{}` cannot be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder for what is put aside cannot be used.
    #[error("the folder `{}` cannot be used", folder.display())]
    Aside {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be opened or read.
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),
    /// It is not what the webhook writes.
    #[error("the file is {0}")]
    Strange(&'static str),
}

impl SpoolError {
    /// Whether another file may still be read.
    pub fn is_of_the_file(&self) -> bool {
        match self {
            Self::Unreadable(_) | Self::Strange(_) => true,
            Self::Folder { .. } | Self::Aside { .. } => false,
        }
    }
}

/// The open folder.
pub struct Spool {
    folder: PathBuf,
    handle: OwnedFd,
    owner: u32,
    aside: PathBuf,
}

impl Spool {
    /// Opens the folder; what is no delivery goes to `aside`, which is made.
    pub fn open(folder: &Path, aside: &Path) -> Result<Self, SpoolError> {
        let told = |error: Errno| SpoolError::Folder { folder: folder.to_owned(), source: error.into() };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(folder, flags, Mode::empty()).map_err(told)?;
        let owner = fstat(&handle).map_err(told)?.st_uid;
        match DirBuilder::new().recursive(true).mode(0o700).create(aside) {
            Ok(()) => {}
            Err(source) => return Err(SpoolError::Aside { folder: aside.to_owned(), source }),
        }
        Ok(Self { folder: folder.to_owned(), handle, owner, aside: aside.to_owned() })
    }

    /// The deliveries in it, in the order in which they came. Other names
    /// belong to whoever writes.
    pub fn list(&self) -> Result<Vec<SpoolName>, SpoolError> {
        let told = |error: Errno| self.told(error.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(told)?.take(ENTRIES_MAX) {
            names.extend(spool_name(entry.map_err(told)?.file_name()));
        }
        names.sort();
        Ok(names)
    }

    /// The content of a file, whatever its size is said to be.
    pub fn read(&self, name: &SpoolName) -> Result<Vec<u8>, SpoolError> {
        let unreadable = |error: Errno| SpoolError::Unreadable(error.into());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.handle, name.to_string(), flags, Mode::empty()).map_err(unreadable)?;
        let found = fstat(&file).map_err(unreadable)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(SpoolError::Strange("no regular file"));
        }
        if found.st_uid != self.owner {
            return Err(SpoolError::Strange("another user's"));
        }
        if found.st_nlink != 1 {
            return Err(SpoolError::Strange("reached under several names"));
        }
        let most = u64::try_from(SPOOL_FILE_MAX).expect("a bound fits");
        let mut content = Vec::new();
        File::from(file).take(most + 1).read_to_end(&mut content).map_err(SpoolError::Unreadable)?;
        if content.len() > SPOOL_FILE_MAX {
            return Err(SpoolError::Strange("too large"));
        }
        Ok(content)
    }

    /// Removes a file. Gone already is success.
    pub fn remove(&self, name: &SpoolName) -> Result<(), SpoolError> {
        match unlinkat(&self.handle, name.to_string(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.told(error.into())),
        }
    }

    /// Makes the removals last.
    pub fn sync(&self) -> Result<(), SpoolError> {
        rustix::fs::fsync(&self.handle).map_err(|error| self.told(error.into()))
    }

    /// Moves what is no delivery out of the way. To another file system only
    /// what can be read is copied; the rest is removed. The caller tells of it.
    pub fn put_aside(&self, name: &SpoolName) -> Result<(), SpoolError> {
        let told = |source| SpoolError::Aside { folder: self.aside.clone(), source };
        let text = name.to_string();
        match statat(&self.handle, &text, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {
                return self.rename_folder(&text);
            }
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(self.told(error.into())),
        }
        let aside = File::open(&self.aside).map_err(told)?;
        self.make_room().map_err(told)?;
        match renameat(&self.handle, &text, aside.as_fd(), &text) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(_) => {
                if let Ok(content) = self.read(name) {
                    let copy = self.aside.join(&text);
                    let mut options = OpenOptions::new();
                    let copy = options.write(true).create(true).truncate(true).mode(0o600).open(copy);
                    copy.and_then(|mut copy| copy.write_all(&content)).map_err(told)?;
                }
                self.remove(name)
            }
        }
    }

    /// Takes a folder the name of a delivery, or removes it if it is empty.
    /// What is below may be deep without end: it is not walked, and stays where
    /// its owner may fill the disk anyway.
    fn rename_folder(&self, name: &str) -> Result<(), SpoolError> {
        match unlinkat(&self.handle, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(_) => {}
        }
        // A name that nobody could have taken before.
        let mut random = [0; 8];
        let told = |error: Errno| self.told(error.into());
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).map_err(told)?;
        let other = format!(".refused-{:016x}", u64::from_ne_bytes(random));
        renameat(&self.handle, name, &self.handle, other).map_err(told)
    }

    /// Names sort like their times.
    fn make_room(&self) -> io::Result<()> {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(&self.aside)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        entries.sort();
        let too_many = entries.len().saturating_sub(ASIDE_MAX - 1);
        for path in &entries[..too_many] {
            if path.symlink_metadata()?.is_dir() {
                // It became one between the look and the move.
                std::fs::remove_dir_all(path)?;
            } else {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn told(&self, source: io::Error) -> SpoolError {
        SpoolError::Folder { folder: self.folder.clone(), source }
    }
}

fn spool_name(name: &CStr) -> Option<SpoolName> {
    name.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
