//! A store in memory that fails on cue.

use std::io;
use std::sync::Mutex;

use async_trait::async_trait;
use berth_core::delivery::Envelope;
use bytes::Bytes;

use super::{Store, StoreError, Usage};

/// What the next call answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Mood {
    #[default]
    Well,
    Full,
    NoSpace,
    Broken,
}

#[derive(Debug, Default)]
pub(crate) struct FakeStore {
    pub(crate) mood: Mutex<Mood>,
    pub(crate) stored: Mutex<Vec<(Envelope, Bytes)>>,
}

impl FakeStore {
    fn mood(&self) -> Mood {
        *self.mood.lock().expect("nobody panicked")
    }
}

#[async_trait]
impl Store for FakeStore {
    async fn store(&self, envelope: Envelope, body: Bytes) -> Result<(), StoreError> {
        match self.mood() {
            Mood::Well => self.stored.lock().expect("nobody panicked").push((envelope, body)),
            Mood::Full => return Err(StoreError::Full),
            Mood::NoSpace => return Err(io::Error::from(io::ErrorKind::StorageFull).into()),
            Mood::Broken => return Err(io::Error::other("poison: /var/lib/somewhere").into()),
        }
        Ok(())
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        match self.mood() {
            Mood::Well => Ok(Usage::default()),
            Mood::Full | Mood::NoSpace => Ok(Usage { is_full: true, ..Usage::default() }),
            Mood::Broken => Err(StoreError::Gone),
        }
    }
}
