//! One entry of a journal, from `journalctl --output=json`.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::printable::{printable, printable_line};

/// One entry. Its texts are the container's and made safe to show only by
/// `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When journald received it.
    pub time: Timestamp,
    /// Who wrote it: the identifier it gave, else the name of its program.
    pub source: String,
    /// The process that wrote it.
    pub pid: Option<u32>,
    /// What it wrote; may have several lines.
    pub message: String,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time: String,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: Value,
    #[serde(rename = "_COMM", default)]
    program: Value,
    #[serde(rename = "_PID", default)]
    pid: Value,
    #[serde(rename = "MESSAGE", default)]
    message: Value,
}

impl Entry {
    /// Reads one line. Nothing when it is not an entry: the first one may be
    /// cut, and a journal may hold anything.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let raw: Raw = serde_json::from_slice(line).ok()?;
        let source = text(&raw.identifier).or_else(|| text(&raw.program));
        Some(Self {
            time: Timestamp::from_microsecond(raw.time.parse().ok()?).ok()?,
            source: source.unwrap_or(Cow::Borrowed("unknown")).into_owned(),
            pid: text(&raw.pid).and_then(|pid| pid.parse().ok()),
            message: text(&raw.message).unwrap_or(Cow::Borrowed("(too long to show)")).into_owned(),
        })
    }
}

/// A field is a text; an array of bytes when it is no plain text; an array of
/// those when it was given several times; null when it is longer than 4 KiB.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    if let Some(text) = value.as_str() {
        return Some(Cow::Borrowed(text));
    }
    let items = value.as_array()?;
    let bytes: Option<Vec<u8>> = items.iter().map(|item| item.as_u64()?.try_into().ok()).collect();
    match bytes {
        Some(bytes) => Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())),
        // Given several times: the first speaks. Only one level deep.
        None => items.first().and_then(Value::as_str).map(Cow::Borrowed),
    }
}

/// `2026-11-20T19:48:06.157069Z sshd[10]: message`, further lines of the
/// message indented.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, printable_line(&self.source))?;
        if let Some(pid) = self.pid {
            write!(f, "[{pid}]")?;
        }
        write!(f, ": {}", printable(&self.message).replace('\n', "\n    "))
    }
}
