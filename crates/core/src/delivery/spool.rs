//! The files of the spool: written by `preview-webhook`, read by `berthd`.
//!
//! A file is one line of JSON, the [`Envelope`], and the raw body after it. Its
//! name is a [`SpoolName`], so that names sort in the order of arrival. Whoever
//! writes makes the file under a name that begins with a dot, syncs it, renames
//! it and syncs the folder: a file under a spool name is whole.
//!
//! The writer faces the internet, so a reader with rights takes the folder for
//! hostile:
//! - it opens the folder once with `O_DIRECTORY | O_NOFOLLOW`, lists it through
//!   that handle, stops after a bounded number of entries, and skips each name
//!   that is no [`SpoolName`] (those with a dot belong to the writer);
//! - it opens each file relative to the handle with `O_RDONLY | O_NOFOLLOW |
//!   O_NONBLOCK | O_CLOEXEC` (a FIFO must not hang it), and goes on only if
//!   `fstat` on that handle says: a regular file with one link of at most
//!   [`SPOOL_FILE_MAX`] bytes;
//! - it reads at most [`SPOOL_FILE_MAX`] bytes and one more, whatever `fstat`
//!   said, and hands them to [`Delivery::decode`];
//! - it verifies the signature over the body again, and only then parses it;
//! - it removes the file by name relative to the handle once the delivery is
//!   recorded durably. What cannot be read or verified goes by name into a
//!   folder of the reader's own ([`Layout::rejected_dir`]), where few are kept
//!   for a person to look at, and is told.
//!
//! The writer holds an exclusive `flock` on the folder as long as it runs; a
//! reader needs none.
//!
//! [`Layout::rejected_dir`]: crate::Layout::rejected_dir

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{BODY_MAX, ContentType, DeliveryId, EventName, Signature};

/// The most bytes of the first line, with its line feed.
const FIRST_LINE_MAX: usize = 1024;

/// The most bytes of a file in the spool.
pub const SPOOL_FILE_MAX: usize = FIRST_LINE_MAX + BODY_MAX;

/// The digits of microseconds in a name: enough for every `u64`.
const DIGITS: usize = 20;
const SUFFIX: &str = ".delivery";

/// What the headers of a delivery said, and when it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The id of the delivery.
    pub delivery: DeliveryId,
    /// Which event.
    pub event: EventName,
    /// How the body holds the JSON text.
    pub content_type: ContentType,
    /// The signature over the raw body.
    pub signature: Signature,
    /// When it was received, by the clock of the writer.
    pub received_at: Timestamp,
}

/// A delivery as a file of the spool holds it. Printed for debugging it does
/// not show the body.
#[derive(Clone)]
pub struct Delivery<'a> {
    /// What the headers said.
    pub envelope: Envelope,
    /// The raw body, which the signature is over.
    pub body: &'a [u8],
}

/// Why the content of a file is no delivery. The messages repeat nothing of it.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// There is no line feed where the first line may end.
    #[error("the file has no first line of at most {FIRST_LINE_MAX} bytes")]
    FirstLine,
    /// The first line is not an envelope.
    #[error("the first line of the file is no envelope")]
    Envelope(#[source] serde_json::Error),
    /// The body is too long.
    #[error("the body has {length} bytes: {BODY_MAX} is the most")]
    Body {
        /// Its length.
        length: usize,
    },
    /// The length of the body is not the one that was written.
    #[error("the body has {length} bytes, and had {written} when it was written")]
    Length {
        /// Its length.
        length: usize,
        /// The length in the first line.
        written: usize,
    },
    /// The file has the name of another delivery.
    #[error("the file has the name of another delivery than its content")]
    Name,
}

/// The first line as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine<E> {
    version: Version,
    length: usize,
    envelope: E,
}

/// The format of the file; a new one gets a new number.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

const VERSION: u32 = 1;

impl From<Version> for u32 {
    fn from(Version: Version) -> Self {
        VERSION
    }
}

impl TryFrom<u32> for Version {
    type Error = &'static str;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number == VERSION { Ok(Self) } else { Err("an unknown version of the format") }
    }
}

impl Envelope {
    /// The first line of the file of a delivery with a body of this many
    /// bytes. The body follows.
    pub fn first_line(&self, body_length: usize) -> String {
        let line = FirstLine { version: Version, length: body_length, envelope: self };
        let mut text = serde_json::to_string(&line).expect("an envelope has only text");
        text.push('\n');
        text
    }

    /// The name of its file.
    pub fn spool_name(&self) -> SpoolName {
        let micros = u64::try_from(self.received_at.as_microsecond()).unwrap_or(0);
        SpoolName { micros, delivery: self.delivery.clone() }
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { envelope, body } = self;
        f.debug_struct("Delivery").field("envelope", envelope).field("body_length", &body.len()).finish()
    }
}

impl<'a> Delivery<'a> {
    /// The content of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut content = self.envelope.first_line(self.body.len()).into_bytes();
        content.extend_from_slice(self.body);
        content
    }

    /// Reads the content of the file with this name. The signature is not
    /// verified: do that next.
    pub fn decode(name: &SpoolName, content: &'a [u8]) -> Result<Self, DeliveryError> {
        let beginning = &content[..content.len().min(FIRST_LINE_MAX)];
        let end = beginning.iter().position(|byte| *byte == b'\n').ok_or(DeliveryError::FirstLine)?;
        let line: FirstLine<Envelope> =
            serde_json::from_slice(&content[..end]).map_err(DeliveryError::Envelope)?;
        let body = &content[end + 1..];
        if body.len() > BODY_MAX {
            return Err(DeliveryError::Body { length: body.len() });
        }
        if body.len() != line.length {
            return Err(DeliveryError::Length { length: body.len(), written: line.length });
        }
        if line.envelope.spool_name() != *name {
            return Err(DeliveryError::Name);
        }
        Ok(Self { envelope: line.envelope, body })
    }
}

/// The name of a file in the spool: the microseconds since 1970 when the
/// delivery came, in 20 digits, and its id. Names sort like their times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpoolName {
    micros: u64,
    delivery: DeliveryId,
}

/// A name that is not one of the spool's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no name of a delivery in the spool: those are 20 digits, `-`, an id and `{SUFFIX}`")]
pub struct SpoolNameError;

impl SpoolName {
    /// When the delivery came, in microseconds since 1970.
    pub fn micros(&self) -> u64 {
        self.micros
    }

    /// The id of the delivery.
    pub fn delivery(&self) -> &DeliveryId {
        &self.delivery
    }
}

impl FromStr for SpoolName {
    type Err = SpoolNameError;

    fn from_str(text: &str) -> Result<Self, SpoolNameError> {
        let stem = text.strip_suffix(SUFFIX).ok_or(SpoolNameError)?;
        let (micros, delivery) = stem.split_once('-').ok_or(SpoolNameError)?;
        if micros.len() != DIGITS || !micros.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SpoolNameError);
        }
        let micros = micros.parse().map_err(|_| SpoolNameError)?;
        Ok(Self { micros, delivery: delivery.parse().map_err(|_| SpoolNameError)? })
    }
}

impl fmt::Display for SpoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$}-{}{SUFFIX}", self.micros, self.delivery)
    }
}

#[cfg(test)]
mod tests;
