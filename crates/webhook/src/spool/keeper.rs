//! The thread that writes.

use std::time::{Duration, Instant};
use std::{io, thread};

use berth_core::delivery::{Envelope, SpoolName};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::Bounds;
use super::folder::{Folder, Temporary};
use crate::store::{StoreError, Usage};

/// The most deliveries of a batch.
const BATCH: usize = 64;
/// How many files of a batch are synced at once.
const SYNCS: usize = 8;
/// How long a count of the folder is taken for true when it says full, so that
/// a flood does not list the folder each time.
const COUNT_HOLDS: Duration = Duration::from_millis(200);

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Message {
    /// To keep a delivery.
    Store { envelope: Envelope, body: Bytes, answer: Answer },
    /// To look how full the spool is.
    Usage { answer: oneshot::Sender<Result<Usage, StoreError>> },
}

type Answer = oneshot::Sender<Result<(), StoreError>>;

pub(super) struct Keeper {
    folder: Folder,
    bounds: Bounds,
    /// What lay there at the last count, and what was added since. What others
    /// took out is noticed at the next count.
    files: u64,
    bytes: u64,
    counted: Instant,
    /// The time in the last name given.
    last: u64,
    /// Numbers temporary files.
    next: u64,
}

/// A delivery whose content is written.
struct Written {
    temporary: Temporary,
    name: SpoolName,
    answer: Answer,
}

impl Keeper {
    pub(super) fn new(folder: Folder, bounds: Bounds) -> io::Result<Self> {
        let content = folder.content()?;
        let (files, bytes, last) = (content.files, content.bytes, content.last);
        Ok(Self { folder, bounds, files, bytes, counted: Instant::now(), last, next: 0 })
    }

    /// Works until nobody can ask any more.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        while messages.blocking_recv_many(&mut batch, BATCH) > 0 {
            self.work(batch.drain(..));
        }
    }

    /// Writes all, then syncs and names each, then syncs the folder, then
    /// answers. Whoever has gone away meanwhile needs no answer.
    fn work(&mut self, batch: impl Iterator<Item = Message>) {
        let mut written = Vec::new();
        for message in batch {
            match message {
                Message::Store { envelope, body, answer } => match self.write(envelope, &body) {
                    Ok((temporary, name)) => written.push(Written { temporary, name, answer }),
                    Err(error) => drop(answer.send(Err(error))),
                },
                Message::Usage { answer } => drop(answer.send(self.usage().map_err(StoreError::Failed))),
            }
        }
        self.publish(written);
    }

    fn publish(&mut self, written: Vec<Written>) {
        let mut named = Vec::with_capacity(written.len());
        let synced = sync(&written);
        for (Written { temporary, name, answer }, synced) in written.into_iter().zip(synced) {
            match self.folder.publish(&temporary, synced, &name) {
                Ok(()) => named.push(answer),
                Err(error) => drop(answer.send(Err(error.into()))),
            }
        }
        if named.is_empty() {
            return;
        }
        // What has its name but perhaps not for good is no success; it is
        // whole all the same, and may be taken out.
        let synced = self.folder.sync().map_err(|error| error.kind());
        for answer in named {
            drop(answer.send(synced.map_err(|kind| StoreError::from(io::Error::from(kind)))));
        }
    }

    fn write(&mut self, mut envelope: Envelope, body: &[u8]) -> Result<(Temporary, SpoolName), StoreError> {
        // A clock that stands still or goes back does not change the order.
        let now = u64::try_from(envelope.received_at.as_microsecond()).unwrap_or(0);
        self.last = now.max(self.last + 1);
        envelope.received_at = time(self.last)?;
        let line = envelope.first_line(body.len());
        let length = (line.len() + body.len()) as u64;
        self.make_room(length)?;
        self.next += 1;
        let temporary = self.folder.write(self.next, [line.as_bytes(), body])?;
        self.files += 1;
        self.bytes += length;
        Ok((temporary, envelope.spool_name()))
    }

    /// Refuses if there is no room for so many bytes.
    fn make_room(&mut self, length: u64) -> Result<(), StoreError> {
        if self.has_room(length) {
            return Ok(());
        }
        self.recount()?;
        if self.has_room(length) { Ok(()) } else { Err(StoreError::Full) }
    }

    fn has_room(&self, length: u64) -> bool {
        self.files < self.bounds.files && self.bytes + length <= self.bounds.bytes
    }

    fn recount(&mut self) -> io::Result<()> {
        if self.counted.elapsed() >= COUNT_HOLDS {
            let content = self.folder.content()?;
            (self.files, self.bytes, self.counted) = (content.files, content.bytes, Instant::now());
        }
        Ok(())
    }

    fn usage(&mut self) -> io::Result<Usage> {
        self.recount()?;
        Ok(Usage { files: self.files, bytes: self.bytes, is_full: !self.has_room(1) })
    }
}

/// Syncs several files at once: file systems with a journal then need fewer
/// commits (measured on ext4: 0.18 ms a file instead of 0.27).
fn sync(written: &[Written]) -> Vec<io::Result<()>> {
    let each = |part: &[Written]| part.iter().map(|written| written.temporary.sync()).collect::<Vec<_>>();
    if written.len() < SYNCS {
        return each(written);
    }
    thread::scope(|scope| {
        let parts = written.chunks(written.len().div_ceil(SYNCS));
        let syncing: Vec<_> = parts.map(|part| scope.spawn(move || each(part))).collect();
        syncing.into_iter().flat_map(|part| part.join().expect("a sync does not panic")).collect()
    })
}

fn time(micros: u64) -> Result<Timestamp, StoreError> {
    let time = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    time.ok_or_else(|| {
        StoreError::Failed(io::Error::other("a name in the spool is from a time after all times"))
    })
}
