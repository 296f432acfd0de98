//! Reading a unit's lines from `journalctl --output=json`.

use serde::Deserialize;

use crate::printable::printable;

/// One entry. systemd's own lines about a unit carry `INVOCATION_ID`, lines
/// from inside the unit `_SYSTEMD_INVOCATION_ID`.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "MESSAGE")]
    message: Option<Message>,
    #[serde(rename = "INVOCATION_ID")]
    about: Option<String>,
    #[serde(rename = "_SYSTEMD_INVOCATION_ID")]
    from: Option<String>,
}

/// Text, or bytes where there is something unprintable in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Many(Vec<Message>),
}

impl Message {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Many(parts) => parts.iter().map(Self::text).collect(),
        }
    }
}

impl Entry {
    fn invocation(&self) -> Option<&str> {
        self.about.as_deref().or(self.from.as_deref())
    }
}

/// The lines of the unit's latest start, safe to show.
///
/// A slot is used again, so the same unit name has lines of containers that
/// are long gone. systemd forgets the current invocation with the unit; the
/// entries tell it still. A line that is no entry is left out: half a log is
/// better than none.
pub(super) fn latest_start(json_lines: &str) -> String {
    let entries: Vec<Entry> = json_lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let latest = entries.iter().rev().find_map(Entry::invocation);
    let lines: Vec<String> = entries
        .iter()
        .filter(|entry| entry.invocation().is_none() || entry.invocation() == latest)
        .filter_map(|entry| entry.message.as_ref())
        .map(|message| printable(&message.text()))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_start_is_told() {
        let lines = r#"
{"MESSAGE":"Started Container 'a1'.","INVOCATION_ID":"old"}
{"MESSAGE":"old words","_SYSTEMD_INVOCATION_ID":"old"}
{"MESSAGE":"Starting Container 'a1'...","INVOCATION_ID":"new"}
{"MESSAGE":"new words","_SYSTEMD_INVOCATION_ID":"new"}
"#;
        assert_eq!(latest_start(lines), "Starting Container 'a1'...\nnew words");
    }

    #[test]
    fn bytes_are_read_and_made_safe() {
        let lines = r#"{"MESSAGE":[27,91,50,74,111,107,255],"_SYSTEMD_INVOCATION_ID":"x"}
{"MESSAGE":null,"_SYSTEMD_INVOCATION_ID":"x"}
not json
{"MESSAGE":["one","two"],"_SYSTEMD_INVOCATION_ID":"x"}"#;
        assert_eq!(latest_start(lines), "\\u{1b}[2Jok\u{fffd}\nonetwo");
    }

    #[test]
    fn no_entries_are_no_text() {
        assert_eq!(latest_start(""), "");
    }
}
