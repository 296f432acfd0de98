//! The folder that deliveries wait in until `berthd` takes them out.
//!
//! One thread writes. It takes what has come in meanwhile as one batch: all
//! files are written, synced several at once and renamed, and one sync of the folder
//! makes all the names durable. So the order of the names is the order of
//! arrival, bounds are counted without a race, and a burst costs fewer syncs
//! than one after the other would. A delivery that comes again is a second
//! file: whether the first one succeeded, only `berthd` knows.
//!
//! A process that is killed at any point leaves whole files under their names,
//! and perhaps temporary ones, which the next one removes.

mod folder;
mod keeper;

use std::path::{Path, PathBuf};
use std::{io, thread};

use async_trait::async_trait;
use berth_core::delivery::Envelope;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use self::folder::Folder;
use self::keeper::{Keeper, Message};
use crate::store::{Store, StoreError, Usage};

/// How many deliveries wait for the writer before others wait for a place.
const QUEUE: usize = 256;

/// How much may lie in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most deliveries.
    pub files: u64,
    /// The most bytes.
    pub bytes: u64,
}

/// Why the spool cannot be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// It is not there, no folder, or not ours to write.
    #[error("the spool `{}` cannot be used", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else writes into it.
    #[error("the spool `{}` is in use by another preview-webhook", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// A spool in use. It is given back when this is dropped and what was handed
/// in is written.
#[derive(Debug)]
pub struct Spool {
    keeper: mpsc::Sender<Message>,
}

impl Spool {
    /// Takes the folder for itself, and removes what a killed process left.
    pub fn open(path: &Path, bounds: Bounds) -> Result<Self, SpoolError> {
        let unusable = |source| SpoolError::Unusable { path: path.to_owned(), source };
        let folder = Folder::open(path).map_err(unusable)?;
        if !folder.lock().map_err(unusable)? {
            return Err(SpoolError::InUse { path: path.to_owned() });
        }
        let removed = folder.remove_temporary().map_err(unusable)?;
        if removed > 0 {
            tracing::warn!(removed, "removed unfinished files of a process that was killed");
        }
        let keeper = Keeper::new(folder, bounds).map_err(unusable)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let spawned = thread::Builder::new().name("spool".to_owned()).spawn(move || keeper.run(receiver));
        spawned.map_err(unusable)?;
        Ok(Self { keeper: sender })
    }

    /// Whether the folder could be used: it is there and can be written.
    pub fn check(path: &Path) -> Result<(), SpoolError> {
        let checked = Folder::open(path).and_then(|folder| folder.check_writable());
        checked.map_err(|source| SpoolError::Unusable { path: path.to_owned(), source })
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        self.keeper.send(message(sender)).await.map_err(|_| StoreError::Gone)?;
        answer.await.map_err(|_| StoreError::Gone)
    }
}

#[async_trait]
impl Store for Spool {
    async fn store(&self, envelope: Envelope, body: Bytes) -> Result<(), StoreError> {
        self.ask(|answer| Message::Store { envelope, body, answer }).await?
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.ask(|answer| Message::Usage { answer }).await?
    }
}

#[cfg(test)]
mod tests;
