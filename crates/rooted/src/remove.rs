//! Removing a whole root.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, IFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::folder::{self, FOLDER, Kind};
use crate::root::open_roots;
use crate::{Obstacle, RootedError};

/// How many obstacles an error names; all are counted.
const NAMED_OBSTACLES: usize = 5;

/// Flags that keep even root from removing a file.
const LOCKING_FLAGS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);

/// Removes the root `name` with all that is in it; absent is success.
///
/// Follows no symlink and crosses no mount. Clears immutable and append-only
/// flags that are in the way. Goes on past what it cannot remove and then fails
/// with [`RootedError::InTheWay`], so that a repeated call continues.
///
/// Folders are left through `..`, checked against the folder that was entered:
/// so one handle is enough at any depth. That is safe only because nothing
/// runs in the container and the folder of roots is host root's alone.
pub fn remove_tree(roots: &Path, name: &str) -> Result<(), RootedError> {
    let (roots_fd, path) = open_roots(roots, name)?;
    let os_name = OsStr::new(name);
    let found = folder::look(roots_fd.as_fd(), os_name).map_err(|errno| RootedError::Io {
        action: "look at",
        path: path.clone(),
        source: errno.into(),
    })?;
    match found {
        None => return Ok(()),
        Some((Kind::Directory, _)) => {}
        Some((found, _)) => return Err(RootedError::Blocked { path, found, wanted: "a directory" }),
    }
    let mut removal = Removal { roots: roots.to_owned(), levels: Vec::new(), first: Vec::new(), total: 0 };
    removal.run(roots_fd, os_name)?;
    match removal.total {
        0 => Ok(()),
        total => Err(RootedError::InTheWay { root: path, first: removal.first, total }),
    }
}

/// A folder that was entered.
struct Level {
    name: OsString,
    id: FolderId,
    /// Its folders that are still to be removed.
    folders: VecDeque<OsString>,
    /// Whether something in it could not be removed: then it cannot either.
    is_kept: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct FolderId {
    device: u64,
    inode: u64,
}

fn id(folder: &OwnedFd) -> Result<FolderId, Errno> {
    let stat = rustix::fs::fstat(folder)?;
    Ok(FolderId { device: stat.st_dev, inode: stat.st_ino })
}

struct Removal {
    roots: PathBuf,
    levels: Vec<Level>,
    first: Vec<Obstacle>,
    total: u64,
}

impl Removal {
    /// Walks with one handle, that of the innermost level.
    fn run(&mut self, roots: OwnedFd, name: &OsStr) -> Result<(), RootedError> {
        let roots_id = id(&roots).map_err(|errno| self.lost(errno))?;
        let mut current = roots;
        let mut next = Some(name.to_owned());
        loop {
            if let Some(folder) = next.take().and_then(|name| self.enter(&current, &name)) {
                current = folder;
            }
            let Some(level) = self.levels.last_mut() else { return Ok(()) };
            next = level.folders.pop_front();
            if next.is_none() {
                current = self.leave(current, roots_id)?;
            }
        }
    }

    /// Enters a folder, removes its files and notes its folders.
    fn enter(&mut self, parent: &OwnedFd, name: &OsStr) -> Option<OwnedFd> {
        let opened = folder::open(parent, name, FOLDER);
        let folder = match opened {
            Ok(folder) => folder,
            Err(errno) => {
                self.keep(name, reason(errno));
                return None;
            }
        };
        match id(&folder) {
            Ok(id) => {
                self.levels.push(Level {
                    name: name.to_owned(),
                    id,
                    folders: VecDeque::new(),
                    is_kept: false,
                });
            }
            Err(errno) => {
                self.keep(name, reason(errno));
                return None;
            }
        }
        if let Err(errno) = self.empty(&folder) {
            // Its own rmdir then tells that it is not empty; this tells why.
            self.keep(OsStr::new("."), reason(errno));
        }
        Some(folder)
    }

    fn empty(&mut self, folder: &OwnedFd) -> Result<(), Errno> {
        // All names first: a folder that is changed while it is read may hide
        // entries.
        let mut entries = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                entries.push((name.to_owned(), entry.file_type()));
            }
        }
        for (name, kind) in entries {
            let is_folder = match kind {
                FileType::Directory => true,
                FileType::Unknown => {
                    matches!(folder::look(folder.as_fd(), &name), Ok(Some((Kind::Directory, _))))
                }
                FileType::RegularFile
                | FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice => false,
            };
            if is_folder {
                self.levels.last_mut().expect("a level was just entered").folders.push_back(name);
            } else if let Err(errno) = unlink(folder, &name, AtFlags::empty()) {
                self.keep(&name, reason(errno));
            }
        }
        Ok(())
    }

    /// Goes back to the folder above and removes the one that was left.
    fn leave(&mut self, left: OwnedFd, roots_id: FolderId) -> Result<OwnedFd, RootedError> {
        let above = self.levels.len().checked_sub(2).map_or(roots_id, |index| self.levels[index].id);
        let parent =
            rustix::fs::openat(&left, "..", FOLDER, Mode::empty()).map_err(|errno| self.lost(errno))?;
        if id(&parent).map_err(|errno| self.lost(errno))? != above {
            // Somebody moved the folder while it was emptied.
            return Err(self.lost(Errno::STALE));
        }
        drop(left);
        let level = self.levels.pop().expect("one is left only after it was entered");
        if level.is_kept {
            if let Some(above) = self.levels.last_mut() {
                above.is_kept = true;
            }
        } else if let Err(errno) = unlink(&parent, &level.name, AtFlags::REMOVEDIR) {
            self.keep(&level.name, reason(errno));
        }
        Ok(parent)
    }

    /// Notes an obstacle in the innermost level.
    fn keep(&mut self, name: &OsStr, reason: String) {
        if let Some(level) = self.levels.last_mut() {
            level.is_kept = true;
        }
        self.total += 1;
        if self.first.len() < NAMED_OBSTACLES {
            let path = self.current_path().join(name);
            self.first.push(Obstacle { path, reason });
        }
    }

    fn lost(&self, errno: Errno) -> RootedError {
        RootedError::Io { action: "remove", path: self.current_path(), source: errno.into() }
    }

    fn current_path(&self) -> PathBuf {
        self.levels.iter().fold(self.roots.clone(), |path, level| path.join(&level.name))
    }
}

/// Removes one name, clearing what locks it or the folder around it.
fn unlink(folder: &OwnedFd, name: &OsStr, flags: AtFlags) -> Result<(), Errno> {
    let mut result = rustix::fs::unlinkat(folder, name, flags);
    if result == Err(Errno::PERM) && clear_flags(folder) {
        result = rustix::fs::unlinkat(folder, name, flags);
    }
    if result == Err(Errno::PERM) && unlock(folder, name) {
        result = rustix::fs::unlinkat(folder, name, flags);
    }
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Only folders and regular files can carry the flags, and only they are
/// opened: opening a device or a FIFO may do something.
fn unlock(folder: &OwnedFd, name: &OsStr) -> bool {
    let Ok(Some((Kind::Directory | Kind::Regular, _))) = folder::look(folder.as_fd(), name) else {
        return false;
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    folder::open(folder, name, flags).is_ok_and(|file| clear_flags(&file))
}

/// Clears the locking flags; tells whether there were any.
fn clear_flags(file: &OwnedFd) -> bool {
    match rustix::fs::ioctl_getflags(file) {
        Ok(flags) if flags.intersects(LOCKING_FLAGS) => {
            rustix::fs::ioctl_setflags(file, flags.difference(LOCKING_FLAGS)).is_ok()
        }
        _ => false,
    }
}

fn reason(errno: Errno) -> String {
    match errno {
        Errno::XDEV | Errno::BUSY => "is a mount: unmount it first".to_owned(),
        Errno::ROFS => "lies on a read-only file system or subvolume: make it writable first".to_owned(),
        errno => std::io::Error::from(errno).to_string(),
    }
}
