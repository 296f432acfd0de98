//! Which GitHub App Berth is.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The id of an App: its number, or its client id such as `Iv23liAbC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppId(String);

/// A text that is no id of an App.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no id of a GitHub App: take its number or its client id from its settings")]
pub struct AppIdError(String);

impl AppId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppId {
    type Err = AppIdError;

    fn from_str(text: &str) -> Result<Self, AppIdError> {
        let is_id =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        let shown = || text.chars().take(64).collect::<String>().escape_debug().to_string();
        is_id.then(|| Self(text.to_owned())).ok_or_else(|| AppIdError(shown()))
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number_or_a_client_id() {
        for text in ["4242", "Iv1.8a61f9b3a7aba766", "Iv23liAbC"] {
            assert_eq!(text.parse::<AppId>().expect("an id").as_str(), text);
        }
        for text in ["", "my app", "a/b", "-1", &"1".repeat(65)] {
            assert!(text.parse::<AppId>().is_err(), "{text}");
        }
    }
}
