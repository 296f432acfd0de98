//! Writing files into a root.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::RootedError;
use crate::folder::{self, Kind, RESOLVE};
use crate::owner::{Base, Owner};
use crate::root::RootDir;

/// Bits of a new folder on the way to a file.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

impl RootDir {
    /// Writes a whole file: new, or in place of the file or symlink that is
    /// there.
    ///
    /// Folders on the way are made (0755, container root's). One that is a
    /// symlink or no folder is refused and named. The content is only readable
    /// by host root until owner and mode are set, and it appears under its name
    /// whole or not at all.
    ///
    /// Nothing is synced: that would cost ten journal commits a container. What
    /// a power cut takes is written again before the next start, as all of a
    /// root's files are.
    pub fn write_file(
        &self,
        path: impl AsRef<Path>,
        content: &[u8],
        owner: Owner,
        mode: u32,
    ) -> Result<(), RootedError> {
        let path = path.as_ref();
        let mut names = folder::names(path)?;
        let name = names.pop().ok_or_else(|| RootedError::NotBelow { path: path.to_owned() })?;
        let folder = self.make_folders(&names)?;
        let parent = folder.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
        let target = Target { parent, name, path: self.path.join(path), base: self.base };
        target.refuse_directory()?;
        let temporary = target.create_temporary()?;
        let result = target.fill(&temporary, content, owner, mode).and_then(|()| target.put_in_place());
        if result.is_err() {
            // The first error is the one to report.
            let _ = rustix::fs::unlinkat(parent, target.temporary_name(), AtFlags::empty());
        }
        result
    }

    /// Removes a file or a symlink; already gone is success. A folder in its
    /// place is refused.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> Result<(), RootedError> {
        let path = path.as_ref();
        let mut names = folder::names(path)?;
        let name = names.pop().ok_or_else(|| RootedError::NotBelow { path: path.to_owned() })?;
        let folder = self.open_folder(&names)?;
        let parent = match &folder {
            Some(folder) => folder.as_fd(),
            None if names.is_empty() => self.fd.as_fd(),
            None => return Ok(()),
        };
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) => {
                let path = self.path.join(path);
                Err(RootedError::Blocked { path, found: Kind::Directory, wanted: "a file" })
            }
            Err(errno) => {
                Err(RootedError::Io { action: "remove", path: self.path.join(path), source: errno.into() })
            }
        }
    }

    /// Makes a folder and those above it, 0755 and container root's where new.
    pub fn make_folder(&self, path: impl AsRef<Path>) -> Result<(), RootedError> {
        self.make_folders(&folder::names(path.as_ref())?).map(drop)
    }

    fn make_folders(&self, names: &[&OsStr]) -> Result<Option<OwnedFd>, RootedError> {
        let mut current: Option<OwnedFd> = None;
        let mut path = self.path.clone();
        for name in names {
            path.push(name);
            let dir = current.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            let next = match folder::enter(dir, name, &path)? {
                Some(next) => next,
                None => self.make_one(dir, name, &path)?,
            };
            current = Some(next);
        }
        Ok(current)
    }

    fn make_one(&self, dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<OwnedFd, RootedError> {
        let failed =
            |errno: Errno| RootedError::Io { action: "create", path: path.to_owned(), source: errno.into() };
        rustix::fs::mkdirat(dir, name, FOLDER_MODE).map_err(failed)?;
        let folder = folder::enter(dir, name, path)?.ok_or_else(|| failed(Errno::NOENT))?;
        let (uid, gid) = self.base.on_disk(Owner::ROOT);
        rustix::fs::fchown(&folder, Some(uid), Some(gid)).map_err(failed)?;
        // The umask of whoever called may have taken bits away.
        rustix::fs::fchmod(&folder, FOLDER_MODE).map_err(failed)?;
        Ok(folder)
    }
}

/// The name that a file is to get.
struct Target<'a> {
    parent: BorrowedFd<'a>,
    name: &'a OsStr,
    path: PathBuf,
    base: Base,
}

impl Target<'_> {
    fn failed(&self, errno: Errno) -> RootedError {
        RootedError::Io { action: "write", path: self.path.clone(), source: errno.into() }
    }

    fn refuse_directory(&self) -> Result<(), RootedError> {
        match folder::look(self.parent, self.name).map_err(|errno| self.failed(errno))? {
            Some((found @ Kind::Directory, _)) => {
                Err(RootedError::Blocked { path: self.path.clone(), found, wanted: "a file" })
            }
            _ => Ok(()),
        }
    }

    /// One fixed name for each file, so that what a killed process left behind
    /// is replaced by the next and nothing piles up.
    fn temporary_name(&self) -> OsString {
        let mut name = OsString::from(".berth-new-");
        name.push(self.name);
        name
    }

    /// A new file that only host root can read. A leftover, or whatever the
    /// container put under the temporary name, is unlinked first.
    fn create_temporary(&self) -> Result<File, RootedError> {
        let name = self.temporary_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || rustix::fs::openat2(self.parent, &name, flags, Mode::from_raw_mode(0o600), RESOLVE);
        let created = match create() {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(self.parent, &name, AtFlags::empty()).map_err(|errno| {
                    let path = self.path.with_file_name(&name);
                    match errno {
                        Errno::ISDIR => {
                            RootedError::Blocked { path, found: Kind::Directory, wanted: "absent" }
                        }
                        errno => RootedError::Io { action: "remove", path, source: errno.into() },
                    }
                })?;
                create()
            }
            result => result,
        };
        created.map(File::from).map_err(|errno| self.failed(errno))
    }

    /// Content first, then the owner, then the mode: a change of owner takes
    /// set-uid bits away, and until here the file is host root's with 0600.
    fn fill(&self, file: &File, content: &[u8], owner: Owner, mode: u32) -> Result<(), RootedError> {
        let written = { file }.write_all(content);
        written.map_err(|source| RootedError::Io { action: "write", path: self.path.clone(), source })?;
        let (uid, gid) = self.base.on_disk(owner);
        rustix::fs::fchown(file, Some(uid), Some(gid))
            .and_then(|()| rustix::fs::fchmod(file, Mode::from_raw_mode(mode)))
            .map_err(|errno| self.failed(errno))
    }

    fn put_in_place(&self) -> Result<(), RootedError> {
        rustix::fs::renameat(self.parent, self.temporary_name(), self.parent, self.name)
            .map_err(|errno| self.failed(errno))
    }
}
