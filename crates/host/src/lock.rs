//! Locks between the processes of Berth.
//!
//! Whoever changes a berth holds the `flock` on [`Layout::lock`]. The kernel
//! takes it back from a killed process, so nothing is ever locked for good. The
//! file tells who holds it, for messages only.
//!
//! A holder removes the file before it lets go, so that none is left behind.
//! That opens a race: another process may have opened the file just before and
//! then locks a file that is not at its path any more. So whoever gets a lock
//! looks whether the path still leads to what was locked, and begins again
//! where it does not.
//!
//! What a holder starts inherits the lock, so that a berth stays locked until
//! the tools of a killed process have ended too: `nixos-container create` does
//! not stop because its caller died. Letting go frees it for all of them.
//!
//! A process that needs several takes the preview's first, then the berth's,
//! then that of a mirror, a closure, the routes or the firewall, and holds the
//! last two for a moment only.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use berth_core::{ContainerName, Kind, Layout, PreviewId};
use rustix::fs::OFlags;
use rustix::io::FdFlags;
use thiserror::Error;
use tokio::time::Instant;

/// The pauses between two attempts double from the first to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(32)];

/// The most that is kept and shown of an action, in bytes.
const ACTION_MAX: usize = 200;

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockName {
    /// One berth.
    Berth(ContainerName),
    /// The firewall table.
    Firewall,
    /// The building of closures of one kind.
    Build(Kind),
    /// One preview, with all of its berths.
    Preview(PreviewId),
    /// The mirror of the repository with this row id.
    Mirror(i64),
    /// The closure with this key: who builds it holds it.
    Closure(u64),
    /// The route files.
    Routes,
    /// The repair of the whole host.
    Reconcile,
}

/// A text that is not the name of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no lock of Berth")]
pub struct LockNameError(String);

impl LockName {
    const FIXED: [Self; 5] =
        [Self::Firewall, Self::Build(Kind::Agent), Self::Build(Kind::Preview), Self::Reconcile, Self::Routes];

    /// The locks that are named from a number.
    fn numbered(text: &str) -> Option<Self> {
        let (word, number) = text.split_once('-')?;
        let name = match word {
            "preview" => Self::Preview(number.parse().ok()?),
            "mirror" => Self::Mirror(number.parse().ok()?),
            "closure" => Self::Closure(u64::from_str_radix(number, 16).ok()?),
            _ => return None,
        };
        (name.to_string() == text).then_some(name)
    }
}

impl From<ContainerName> for LockName {
    fn from(container: ContainerName) -> Self {
        Self::Berth(container)
    }
}

impl fmt::Display for LockName {
    /// The name of its file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Berth(container) => container.fmt(f),
            Self::Firewall => f.pad("firewall"),
            Self::Build(kind) => f.pad(&format!("build-{}", kind.as_str())),
            Self::Preview(id) => f.pad(&format!("preview-{id}")),
            Self::Mirror(id) => f.pad(&format!("mirror-{id}")),
            Self::Closure(key) => f.pad(&format!("closure-{key:016x}")),
            Self::Routes => f.pad("routes"),
            Self::Reconcile => f.pad("reconcile"),
        }
    }
}

impl FromStr for LockName {
    type Err = LockNameError;

    fn from_str(text: &str) -> Result<Self, LockNameError> {
        let fixed = Self::FIXED.into_iter().find(|name| name.to_string() == text);
        fixed
            .or_else(|| Self::numbered(text))
            .or_else(|| text.parse().ok().map(Self::Berth))
            .ok_or_else(|| LockNameError(text.escape_debug().to_string()))
    }
}

/// Who holds a lock, as the holder wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What it does, such as `agent create fix-login`.
    pub action: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.action)
    }
}

impl Holder {
    /// What a lock file says. Nothing where it is empty or torn: it is written
    /// after the lock is taken.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.parse().ok()?;
        let action = lines.next()?.to_owned();
        Some(Self { pid, action })
    }

    fn render(&self) -> String {
        let plain: String = self.action.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let action = &plain[..plain.floor_char_boundary(ACTION_MAX)];
        format!("{}\n{action}\n", self.pid)
    }
}

/// Why a lock could not be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process, or another task of this one, holds it.
    #[error(
        "`{name}` is busy: {} has held it for more than {} s; try again when that is done",
        holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string),
        patience.as_secs_f32()
    )]
    Busy {
        /// What is locked.
        name: LockName,
        /// Who holds it, where that could be read.
        holder: Option<Holder>,
        /// How long this process waited.
        patience: Duration,
    },
    /// The folder or the file could not be made, locked or removed.
    #[error("could not use the lock `{}`", path.display())]
    File {
        /// The folder or the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file of a holder that was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleLock {
    /// The file.
    pub path: PathBuf,
    /// Who held it, where that could be read.
    pub holder: Option<Holder>,
}

/// Where locks are taken.
#[derive(Clone, Debug)]
pub struct Locks {
    folder: PathBuf,
}

impl Locks {
    /// The locks of a host. Their folder is made when the first is taken.
    pub fn new(layout: &Layout) -> Self {
        Self { folder: layout.lock_dir() }
    }

    /// Takes a lock, and waits up to `patience` for whoever holds it. `action`
    /// is what others are told while it is held. When the future is dropped
    /// nothing stays locked.
    pub async fn lock(
        &self,
        name: impl Into<LockName>,
        action: &str,
        patience: Duration,
    ) -> Result<Lock, LockError> {
        let name = name.into();
        let deadline = Instant::now() + patience;
        let [mut pause, longest] = PAUSES;
        loop {
            if let Some(lock) = self.try_lock(name, action)? {
                return Ok(lock);
            }
            let now = Instant::now();
            if now >= deadline {
                let holder = holder_at(&self.path(name));
                return Err(LockError::Busy { name, holder, patience });
            }
            tokio::time::sleep(pause.min(deadline - now)).await;
            pause = longest.min(pause * 2);
        }
    }

    /// Takes a lock if nobody holds it.
    pub fn try_lock(&self, name: impl Into<LockName>, action: &str) -> Result<Option<Lock>, LockError> {
        let name = name.into();
        let path = self.path(name);
        let holder = Holder { pid: std::process::id(), action: action.to_owned() };
        self.make_folder()?;
        let taken = take(&path, Some(&holder)).map_err(|source| LockError::File { path, source })?;
        Ok(taken.map(|file| Lock { name, file }))
    }

    /// Whether a lock is held though whoever took it is dead: what it started
    /// is still at work.
    pub fn is_orphaned(&self, name: impl Into<LockName>) -> bool {
        let holder = holder_at(&self.path(name.into()));
        holder.is_some_and(|holder| !is_alive(holder.pid))
    }

    /// The files that nobody holds: those of killed processes. One of a
    /// process that takes its lock at this very moment may be among them.
    pub fn stale(&self) -> Result<Vec<StaleLock>, LockError> {
        let mut stale = Vec::new();
        for path in self.files()? {
            // A shared lock for a moment: two that look do not see each other.
            let is_free = match File::open(&path) {
                Ok(file) => file.try_lock_shared().is_ok(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(source) => return Err(LockError::File { path, source }),
            };
            if is_free {
                stale.push(StaleLock { holder: holder_at(&path), path });
            }
        }
        Ok(stale)
    }

    /// Removes the files that nobody holds, and tells which those were.
    pub fn remove_stale(&self) -> Result<Vec<StaleLock>, LockError> {
        let mut removed = Vec::new();
        for path in self.files()? {
            let holder = holder_at(&path);
            match take(&path, None) {
                Ok(Some(file)) => {
                    drop(file);
                    removed.push(StaleLock { path, holder });
                }
                Ok(None) => {}
                Err(source) => return Err(LockError::File { path, source }),
            }
        }
        Ok(removed)
    }

    fn path(&self, name: LockName) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn files(&self) -> Result<Vec<PathBuf>, LockError> {
        let told = |source| LockError::File { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(told)?,
        };
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.map(|found| found.path())).collect::<Result<_, _>>().map_err(told)?;
        files.sort();
        Ok(files)
    }

    fn make_folder(&self) -> Result<(), LockError> {
        let told = |source| LockError::File { path: self.folder.clone(), source };
        if let Some(above) = self.folder.parent() {
            std::fs::create_dir_all(above).map_err(told)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(told(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// A lock that is held until this is dropped. If its process is killed, it is
/// held until the children that the process started meanwhile have ended.
#[derive(Debug)]
#[must_use = "the lock is let go when this is dropped"]
pub struct Lock {
    name: LockName,
    #[expect(dead_code, reason = "its drop lets go")]
    file: LockedFile,
}

impl Lock {
    /// What is locked.
    pub fn name(&self) -> LockName {
        self.name
    }
}

#[derive(Debug)]
struct LockedFile {
    file: File,
    path: PathBuf,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Somebody may have removed the file by hand, and another one of that
        // name would be somebody else's.
        let removed = match is_at(&self.file, &self.path) {
            Ok(true) => std::fs::remove_file(&self.path),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a lock file");
        }
        // Closing would leave it with children that still run.
        if let Err(error) = self.file.unlock() {
            tracing::warn!(path = %self.path.display(), %error, "could not let a lock go");
        }
    }
}

/// Locks the file at `path`, and makes it where `holder` is to be written
/// into it. Nothing when somebody else holds it.
fn take(path: &Path, holder: Option<&Holder>) -> io::Result<Option<LockedFile>> {
    loop {
        let file = match open(path, holder.is_some()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && holder.is_none() => return Ok(None),
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !is_at(&file, path)? {
            continue;
        }
        if let Some(holder) = holder {
            let text = holder.render();
            file.write_all_at(text.as_bytes(), 0)?;
            file.set_len(text.len() as u64)?;
            rustix::io::fcntl_setfd(&file, FdFlags::empty())?;
        }
        return Ok(Some(LockedFile { file, path: path.to_path_buf() }));
    }
}

/// The standard library opens with `O_CLOEXEC`: a file that is only looked at
/// reaches no child.
fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Whether the path leads to this very file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match path.symlink_metadata() {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a process runs. One that was killed and that nobody has waited for
/// yet has an id still, and does nothing any more.
fn is_alive(pid: u32) -> bool {
    // The name in parentheses may hold anything; the state comes after it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn holder_at(path: &Path) -> Option<Holder> {
    Holder::parse(&std::fs::read_to_string(path).ok()?)
}

#[cfg(test)]
mod tests;
