//! Single steps through folders by handle.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::RootedError;

/// How every name is resolved: no symlink, planted or magic, nothing above
/// the handle, no mount.
pub(crate) const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Flags to open a folder with.
pub(crate) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A regular file.
    Regular,
    /// A symlink, with the text of its target.
    Symlink(PathBuf),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("a directory"),
            Self::Regular => f.write_str("a regular file"),
            Self::Symlink(target) => write!(f, "a symlink to `{}`", target.to_string_lossy().escape_debug()),
            Self::Fifo => f.write_str("a FIFO"),
            Self::Socket => f.write_str("a socket"),
            Self::Device => f.write_str("a device"),
        }
    }
}

/// The names of a path below a root. Refuses an empty path, `..` and a leading
/// slash.
pub(crate) fn names(path: &Path) -> Result<Vec<&OsStr>, RootedError> {
    let names: Option<Vec<&OsStr>> = path
        .components()
        .map(|component| match component {
            Component::Normal(name) => Some(name),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    names.filter(|names| !names.is_empty()).ok_or_else(|| RootedError::NotBelow { path: path.to_owned() })
}

/// openat2, again when the kernel could not rule out a race.
pub(crate) fn open(dir: impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    loop {
        match rustix::fs::openat2(&dir, name, flags | OFlags::CLOEXEC, Mode::empty(), RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

/// What one name in a folder is, following nothing.
pub(crate) fn look(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Option<(Kind, Stat)>, Errno> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::Regular,
        FileType::Symlink => Kind::Symlink(target(dir, name)?),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => Kind::Device,
    };
    Ok(Some((kind, stat)))
}

fn target(dir: BorrowedFd<'_>, name: &OsStr) -> Result<PathBuf, Errno> {
    use std::os::unix::ffi::OsStringExt;
    let text = rustix::fs::readlinkat(dir, name, Vec::new())?;
    Ok(std::ffi::OsString::from_vec(text.into_bytes()).into())
}

/// Opens the folder `name`; nothing when it is absent. `path` is for messages.
pub(crate) fn enter(dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Option<OwnedFd>, RootedError> {
    match open(dir, name, FOLDER) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(refusal(dir, name, path, "a directory", "open", errno)),
    }
}

/// Explains why a name could not be opened: by what stands there.
pub(crate) fn refusal(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    wanted: &'static str,
    action: &'static str,
    errno: Errno,
) -> RootedError {
    let path = path.to_owned();
    match (errno, look(dir, name)) {
        (Errno::XDEV, _) => RootedError::Mount { path },
        (Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::ISDIR, Ok(Some((found, _)))) => {
            RootedError::Blocked { path, found, wanted }
        }
        (errno, _) => RootedError::Io { action, path, source: errno.into() },
    }
}
