//! The routes of all previews as one thing.
//!
//! Caddy reads a folder of route files inside one wildcard site, and any change
//! is a reload of everything. Many processes change routes at once, so changes
//! queue: each is written down as a ticket, and whoever gets the lock of the
//! routes applies all tickets by one reload and answers those who wrote them.
//! Only the holder touches the files that Caddy reads. While a reload runs the
//! next tickets gather by themselves; a pause gathers more of them, but only
//! where there was a reload just before, so that a single change never waits.
//!
//! A route file is checked by itself before it is queued. Where Caddy refuses
//! the whole nevertheless, the files go back to what it last took, and only who
//! wrote the bad one hears of it.
//!
//! Each file is replaced whole. A process that is killed on the way leaves
//! files old or new, and the new ones have passed their check; which of them
//! Caddy has not been seen to take is told by the files themselves, and the next
//! change or [`HeldRoutes::restore`] settles them.

mod batch;
mod files;
mod queue;
mod restore;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use berth_core::{Layout, PreviewId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::batch::Done;
use self::files::{Change, Files, Target};
use self::queue::{Queue, Queued, Ticket};
pub use self::restore::{Difference, Expect, Expected, HeldRoutes, Restored};
use crate::caddy::{Caddy, CaddyError};
use crate::lock::{Lock, LockError, LockName, Locks};

/// How long a process waits for its turn: for some reloads of a busy Caddy.
const PATIENCE: Duration = Duration::from_mins(3);
/// Changes gather after a reload that is not longer ago than this.
const RECENT: Duration = Duration::from_secs(1);
/// For so long. A reload makes visitors connect anew, and Caddy 2.11 leaves one
/// that shakes hands while the next reload begins with the routes of before, for
/// as long as it stays connected: most are through by then.
const GATHER: Duration = Duration::from_millis(500);

/// The routes of a host.
pub struct Routes<'a> {
    files: Files<'a>,
    queue: Queue,
    locks: &'a Locks,
    caddy: &'a dyn Caddy,
}

/// What a change took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many reloads this call itself ran. None where nothing was to do, or
    /// where another process did it along with its own.
    pub reloads: usize,
}

/// Why Caddy did not take a change.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum NotTaken {
    /// There is nobody to take it. What was removed is gone all the same.
    #[error("caddy is not running; start it with `systemctl start caddy`")]
    NotRunning,
    /// Caddy refuses this change.
    #[error("caddy refuses the change: {0}")]
    Refused(String),
    /// Caddy refuses its configuration also without this change.
    #[error("caddy refuses its configuration also without this change: {0}")]
    Otherwise(String),
    /// A reload did not come to its end.
    #[error("{0}")]
    Unfinished(String),
}

/// Why the routes could not be changed.
#[derive(Debug, Error)]
pub enum RouteError {
    /// The route file by itself is not right, or could not be checked.
    #[error(transparent)]
    Check(CaddyError),
    /// Others were at it for too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file or folder could not be read or written.
    #[error("could not use `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Caddy did not take it. What it serves and what it would read at its next
    /// start are as before.
    #[error(transparent)]
    NotTaken(NotTaken),
}

impl<'a> Routes<'a> {
    /// Those in this layout.
    pub fn new(layout: &'a Layout, locks: &'a Locks, caddy: &'a dyn Caddy) -> Self {
        Self { files: Files::new(layout), queue: Queue::new(layout), locks, caddy }
    }

    /// Makes this text the route file of a preview, and returns when Caddy
    /// serves it. The same text again does nothing.
    pub async fn put(&self, id: PreviewId, text: &str) -> Result<Applied, RouteError> {
        let (target, change) = (Target::Route(id), Change::Put(text.to_owned()));
        if self.files.is_done(target, &change)? {
            return Ok(Applied::default());
        }
        self.caddy.check(text).await.map_err(RouteError::Check)?;
        self.change(target, change).await
    }

    /// Removes a preview's route file, and returns when Caddy serves it no
    /// more. Gone already is success, and so is a Caddy that does not run.
    pub async fn remove(&self, id: PreviewId) -> Result<Applied, RouteError> {
        self.change_unless_done(Target::Route(id), Change::Remove).await
    }

    /// Makes this text the wildcard site, like [`put`](Self::put).
    pub async fn put_site(&self, text: &str) -> Result<Applied, RouteError> {
        self.change_unless_done(Target::Site, Change::Put(text.to_owned())).await
    }

    /// Takes the lock of the routes, for [`HeldRoutes::restore`]: read what
    /// should be there after this, so that a route that comes meanwhile is not
    /// taken for a leftover. What dead processes wanted is gone then.
    pub async fn hold(&self) -> Result<HeldRoutes<'_>, RouteError> {
        let lock = self.locks.lock(LockName::Routes, "restore the routes", PATIENCE).await?;
        self.queue.remove_dead()?;
        Ok(HeldRoutes::new(self, lock))
    }

    async fn change_unless_done(&self, target: Target, change: Change) -> Result<Applied, RouteError> {
        if self.files.is_done(target, &change)? {
            return Ok(Applied::default());
        }
        self.change(target, change).await
    }

    async fn change(&self, target: Target, change: Change) -> Result<Applied, RouteError> {
        let queued = self.queue.submit(&Ticket { target, change })?;
        let turn = self.turn(&queued).await?;
        let mut applied = Applied::default();
        if queued.is_waiting() {
            if self.queue.was_reloaded_within(RECENT) {
                tokio::time::sleep(GATHER).await;
            }
            applied.reloads = self.work(BTreeMap::new()).await?.reloads;
        }
        drop(turn);
        queued.answer()?;
        Ok(applied)
    }

    /// The lock, unless somebody else answers first.
    async fn turn(&self, queued: &Queued<'_>) -> Result<Option<Lock>, RouteError> {
        tokio::select! {
            biased;
            () = queued.answered() => Ok(None),
            lock = self.locks.lock(LockName::Routes, "apply routes", PATIENCE) => Ok(Some(lock?)),
        }
    }

    /// Applies all tickets and these changes; the lock is held.
    async fn work(&self, mut changes: BTreeMap<Target, Change>) -> Result<Done, RouteError> {
        self.files.make_folders()?;
        let tickets = self.queue.tickets()?;
        changes.extend(tickets.iter().map(|(_, ticket)| (ticket.target, ticket.change.clone())));
        let done = batch::apply(&self.files, self.caddy, &changes).await?;
        if done.reloads > 0 {
            self.queue.note_reload()?;
        }
        for (name, ticket) in tickets {
            self.queue.answer(&name, done.not_taken.get(&ticket.target))?;
        }
        Ok(done)
    }
}
