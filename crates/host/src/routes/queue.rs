//! The changes that wait for whoever holds the lock of the routes.
//!
//! A change is a ticket: a file in a folder that is gone after a reboot, whole
//! from its first moment (renamed into place). The holder of the lock applies
//! every ticket it finds and then removes it; where Caddy did not take the
//! change, a note beside it says why. So one process answers many, and who was
//! answered returns without a reload of its own.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use berth_core::Layout;
use serde::{Deserialize, Serialize};

use super::files::{Change, Target, gone, told};
use super::{NotTaken, RouteError};

/// How often a waiting process looks whether it was answered.
const LOOK: Duration = Duration::from_millis(10);
/// The file whose time is that of the last reload.
const LAST: &str = "last";
const NOTE: &str = ".refused";

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A wanted change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) target: Target,
    pub(super) change: Change,
}

/// The folder of the tickets.
pub(super) struct Queue {
    folder: PathBuf,
}

/// A ticket of ours. When this is dropped, nobody applies it any more.
#[must_use = "the change is withdrawn when this is dropped"]
pub(super) struct Queued<'a> {
    queue: &'a Queue,
    name: String,
}

impl Queue {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { folder: layout.route_tickets_dir() }
    }

    pub(super) fn submit(&self, ticket: &Ticket) -> Result<Queued<'_>, RouteError> {
        self.make_folder()?;
        let name = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let queued = Queued { queue: self, name };
        // A process that had our number may have left one unread.
        let note = queued.note();
        told(&note, gone(fs::remove_file(&note)))?;
        self.write(&queued.name, ticket)?;
        Ok(queued)
    }

    /// Removes what dead processes wanted: nobody waits for it, and another
    /// process may come to have their number.
    pub(super) fn remove_dead(&self) -> Result<(), RouteError> {
        self.tickets().map(drop)
    }

    /// The tickets in the order in which they were written, with their names.
    /// What dead processes wanted nobody waits for: it is removed.
    pub(super) fn tickets(&self) -> Result<Vec<(String, Ticket)>, RouteError> {
        let mut tickets = Vec::new();
        for name in self.names()? {
            let path = self.folder.join(&name);
            if is_of_dead(&name) {
                told(&path, gone(fs::remove_file(&path)))?;
                continue;
            }
            if name == LAST || name.starts_with('.') || name.ends_with(NOTE) {
                continue;
            }
            // Its process may withdraw it at any moment.
            let read = fs::metadata(&path).and_then(|found| Ok((found.modified()?, fs::read(&path)?)));
            let (written, bytes) = match read {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => told(&path, read)?,
            };
            let ticket = told(&path, serde_json::from_slice(&bytes).map_err(io::Error::from))?;
            tickets.push((written, name, ticket));
        }
        tickets.sort_by_key(|(written, ..)| *written);
        Ok(tickets.into_iter().map(|(_, name, ticket)| (name, ticket)).collect())
    }

    /// Answers who wrote the ticket.
    pub(super) fn answer(&self, name: &str, not_taken: Option<&NotTaken>) -> Result<(), RouteError> {
        if let Some(reason) = not_taken {
            self.write(&format!("{name}{NOTE}"), reason)?;
        }
        let path = self.folder.join(name);
        told(&path, gone(fs::remove_file(&path)))
    }

    /// Notes that there was a reload now.
    pub(super) fn note_reload(&self) -> Result<(), RouteError> {
        self.make_folder()?;
        let path = self.folder.join(LAST);
        told(&path, File::create(&path).and_then(|file| file.set_modified(SystemTime::now())))
    }

    /// Whether there was a reload within this time. A clock that was set back
    /// makes it no.
    pub(super) fn was_reloaded_within(&self, time: Duration) -> bool {
        let modified = fs::metadata(self.folder.join(LAST)).and_then(|found| found.modified());
        modified.is_ok_and(|then| then.elapsed().is_ok_and(|elapsed| elapsed < time))
    }

    /// The folder above is for others too.
    fn make_folder(&self) -> Result<(), RouteError> {
        let above = self.folder.parent().map_or(Ok(()), fs::create_dir_all);
        let made = above.and_then(|()| match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        });
        told(&self.folder, made)
    }

    fn write(&self, name: &str, content: &impl Serialize) -> Result<(), RouteError> {
        let (path, temporary) = (self.folder.join(name), self.folder.join(format!(".{name}")));
        let bytes = serde_json::to_vec(content).map_err(io::Error::from);
        let written = bytes.and_then(|bytes| fs::write(&temporary, bytes));
        told(&path, written.and_then(|()| fs::rename(&temporary, &path)))
    }

    fn names(&self) -> Result<Vec<String>, RouteError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => told(&self.folder, entries)?,
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            Ok(told(&self.folder, entry)?.file_name().to_string_lossy().into_owned())
        };
        entries.map(name).collect()
    }
}

impl Queued<'_> {
    /// Waits until somebody has answered.
    pub(super) async fn answered(&self) {
        while self.is_waiting() {
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.queue.folder.join(&self.name).exists()
    }

    /// What the answer was.
    pub(super) fn answer(&self) -> Result<(), RouteError> {
        let note = self.note();
        let bytes = match fs::read(&note) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => told(&note, read)?,
        };
        let reason: NotTaken = told(&note, serde_json::from_slice(&bytes).map_err(io::Error::from))?;
        Err(RouteError::NotTaken(reason))
    }

    fn note(&self) -> PathBuf {
        self.queue.folder.join(format!("{}{NOTE}", self.name))
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        for path in [self.queue.folder.join(&self.name), self.note()] {
            if let Err(error) = gone(fs::remove_file(&path)) {
                tracing::warn!(path = %path.display(), %error, "could not withdraw a change of the routes");
            }
        }
    }
}

/// Whether the process that a file is named from is gone. Another process may
/// have its number by now: then its change is applied, and undone like any
/// other change that was cut short.
fn is_of_dead(name: &str) -> bool {
    let number = name.strip_prefix('.').unwrap_or(name).split('-').next();
    let pid = number.and_then(|number| number.parse().ok()).and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}
