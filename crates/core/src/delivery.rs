//! What GitHub delivers: checked, stored as one file, and read as an event.
//!
//! A [`Delivery`] is the raw body of one webhook call with its [`Envelope`]:
//! what its headers said, each as a checked type. `preview-webhook` verifies
//! the [`Signature`] over the raw bytes and stores the delivery below a
//! [`SpoolName`]; `berthd` reads it back with [`Delivery::decode`], which
//! trusts nothing, verifies the signature again, and asks [`Event::parse`]
//! what it means.
//!
//! Everything in a delivery was written by somebody on GitHub. What passes
//! [`Event::parse`] consists of checked types, but it is still only a claim:
//! who may command what is asked from GitHub's API, never from a payload.

mod command;
mod event;
mod header;
mod payload;
mod signature;
mod spool;

pub use command::{Command, CommitPrefix};
pub use event::{CommentEvent, Event, Ignored, PayloadError, PullRequestAction, PullRequestEvent};
pub use header::{ContentType, DeliveryId, EventName, HeaderError};
pub use signature::{Signature, WebhookSecret, WebhookSecretError};
pub use spool::{Delivery, DeliveryError, Envelope, SPOOL_FILE_MAX, SpoolName, SpoolNameError};

/// The most bytes of a body. GitHub sends up to 25 MB.
pub const BODY_MAX: usize = 25 << 20;

#[cfg(test)]
mod tests;
