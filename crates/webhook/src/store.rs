//! Where deliveries go.

use std::io;

use async_trait::async_trait;
use berth_core::delivery::Envelope;
use bytes::Bytes;
use thiserror::Error;

#[cfg(test)]
pub(crate) mod fake;

/// Keeps deliveries. What it has taken survives a loss of power.
#[async_trait]
pub trait Store: Send + Sync {
    /// Keeps one, and returns once it is durable.
    async fn store(&self, envelope: Envelope, body: Bytes) -> Result<(), StoreError>;

    /// How full it is.
    async fn usage(&self) -> Result<Usage, StoreError>;
}

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Deliveries that nobody has taken out yet.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether there is no room for another one.
    pub is_full: bool,
}

/// Why a delivery was not kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// As many are waiting to be taken out as may.
    #[error("the spool is full: does berthd run?")]
    Full,
    /// The disk, a quota or a limit on files leaves no room.
    #[error("there is no space for the delivery")]
    NoSpace(#[source] io::Error),
    /// It cannot be written.
    #[error("the spool cannot be written")]
    Failed(#[source] io::Error),
    /// Nobody writes any more.
    #[error("the writer of the spool has ended")]
    Gone,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace(error)
            }
            _ => Self::Failed(error),
        }
    }
}
