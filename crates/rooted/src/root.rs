//! A handle to one container's root.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::RootedError;
use crate::folder::{self, FOLDER, Kind};
use crate::owner::Base;

/// The root folder of a container that is not running.
///
/// Paths are relative to it, made of plain names: no `..`, no leading slash.
#[derive(Debug)]
pub struct RootDir {
    pub(crate) fd: OwnedFd,
    /// For messages only.
    pub(crate) path: PathBuf,
    pub(crate) base: Base,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// What it stands for.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content, in seconds since 1970.
    pub modified: i64,
}

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The entries, in no order.
    pub entries: Vec<Entry>,
    /// Whether there were more than the reader wanted.
    pub is_cut: bool,
}

impl RootDir {
    /// Opens the root `name` in the folder of roots.
    ///
    /// The folder of roots is the host's and may be reached through symlinks;
    /// the root itself must be a directory, not a symlink and not a mount.
    pub fn open(roots: &Path, name: &str) -> Result<Self, RootedError> {
        let (roots_fd, path) = open_roots(roots, name)?;
        match folder::enter(roots_fd.as_fd(), OsStr::new(name), &path)? {
            Some(fd) => Self::new(fd, path),
            None => Err(RootedError::Absent { path }),
        }
    }

    /// Opens the root, and makes it (0755, owned by root) when it is absent.
    pub fn create(roots: &Path, name: &str) -> Result<Self, RootedError> {
        let (roots_fd, path) = open_roots(roots, name)?;
        match rustix::fs::mkdirat(&roots_fd, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(RootedError::Io { action: "create", path, source: errno.into() }),
        }
        Self::open(roots, name)
    }

    fn new(fd: OwnedFd, path: PathBuf) -> Result<Self, RootedError> {
        let stat = rustix::fs::fstat(&fd).map_err(|errno| RootedError::Io {
            action: "look at",
            path: path.clone(),
            source: errno.into(),
        })?;
        let base = Base::of_root(&stat, &path)?;
        Ok(Self { fd, path, base })
    }

    /// Where the root is on the host, for messages. To work below it, use the
    /// handle.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands at a path; nothing when it, or a folder above it, is
    /// absent.
    ///
    /// Fails with [`RootedError::Blocked`] when something other than a folder
    /// stands above it.
    pub fn look(&self, path: impl AsRef<Path>) -> Result<Option<Kind>, RootedError> {
        let path = path.as_ref();
        let Some((parent, name)) = self.parent(path)? else { return Ok(None) };
        let parent = parent.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
        match folder::look(parent, name) {
            Ok(found) => Ok(found.map(|(kind, _)| kind)),
            Err(errno) => Err(self.io("look at", path, errno)),
        }
    }

    /// Opens a regular file to read; nothing when it is absent. Never blocks
    /// and never opens a device.
    pub fn open_file(&self, path: impl AsRef<Path>) -> Result<Option<File>, RootedError> {
        let path = path.as_ref();
        let Some((parent, name)) = self.parent(path)? else { return Ok(None) };
        let parent = parent.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
        match folder::look(parent, name).map_err(|errno| self.io("look at", path, errno))? {
            None => return Ok(None),
            Some((Kind::Regular, _)) => {}
            Some((found, _)) => {
                return Err(RootedError::Blocked {
                    path: self.path.join(path),
                    found,
                    wanted: "a regular file",
                });
            }
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        match folder::open(parent, name, flags) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => {
                Err(folder::refusal(parent, name, &self.path.join(path), "a regular file", "open", errno))
            }
        }
    }

    /// Reads a regular file of at most `limit` bytes; nothing when it is
    /// absent.
    pub fn read_file(&self, path: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>, RootedError> {
        let path = path.as_ref();
        let Some(file) = self.open_file(path)? else { return Ok(None) };
        let mut content = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut content);
        read.map_err(|source| RootedError::Io { action: "read", path: self.path.join(path), source })?;
        match content.len() as u64 {
            size if size > limit => Err(RootedError::TooLarge { path: self.path.join(path), size, limit }),
            _ => Ok(Some(content)),
        }
    }

    /// The entries of a folder, at most `limit`; nothing when it is absent.
    pub fn list(&self, path: impl AsRef<Path>, limit: usize) -> Result<Option<Listing>, RootedError> {
        let path = path.as_ref();
        let Some(folder) = self.open_folder(&folder::names(path)?)? else { return Ok(None) };
        let mut listing = Listing::default();
        for entry in Dir::read_from(&folder).map_err(|errno| self.io("read", path, errno))? {
            let entry = entry.map_err(|errno| self.io("read", path, errno))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            if listing.entries.len() == limit {
                listing.is_cut = true;
                break;
            }
            let found =
                folder::look(folder.as_fd(), name).map_err(|errno| self.io("look at", path, errno))?;
            if let Some((kind, stat)) = found {
                listing.entries.push(Entry {
                    name: name.to_owned(),
                    kind,
                    size: u64::try_from(stat.st_size).unwrap_or_default(),
                    modified: stat.st_mtime,
                });
            }
        }
        Ok(Some(listing))
    }

    /// The folder that holds a path (nothing means the root itself) and the
    /// last name; nothing at all when a folder on the way is absent.
    fn parent<'a>(&self, path: &'a Path) -> Result<Option<(Option<OwnedFd>, &'a OsStr)>, RootedError> {
        let mut names = folder::names(path)?;
        let name = names.pop().ok_or_else(|| RootedError::NotBelow { path: path.to_owned() })?;
        if names.is_empty() {
            return Ok(Some((None, name)));
        }
        Ok(self.open_folder(&names)?.map(|folder| (Some(folder), name)))
    }

    pub(crate) fn open_folder(&self, names: &[&OsStr]) -> Result<Option<OwnedFd>, RootedError> {
        let mut current: Option<OwnedFd> = None;
        let mut path = self.path.clone();
        for name in names {
            path.push(name);
            let dir: BorrowedFd<'_> = current.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            match folder::enter(dir, name, &path)? {
                Some(next) => current = Some(next),
                None => return Ok(None),
            }
        }
        Ok(current)
    }

    pub(crate) fn io(&self, action: &'static str, path: &Path, errno: Errno) -> RootedError {
        RootedError::Io { action, path: self.path.join(path), source: errno.into() }
    }
}

/// Opens the folder of roots and says where the root is.
pub(crate) fn open_roots(roots: &Path, name: &str) -> Result<(OwnedFd, PathBuf), RootedError> {
    let path = roots.join(name);
    if folder::names(Path::new(name))?.len() != 1 {
        return Err(RootedError::NotBelow { path: name.into() });
    }
    let flags = FOLDER.difference(OFlags::NOFOLLOW);
    match rustix::fs::open(roots, flags, Mode::empty()) {
        Ok(fd) => Ok((fd, path)),
        Err(errno) => Err(RootedError::Io { action: "open", path: roots.to_owned(), source: errno.into() }),
    }
}
