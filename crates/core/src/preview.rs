//! What is named from the number of a preview.
//!
//! A preview outlives its containers: at an update a second berth takes the
//! place of the first. So what belongs to the preview and not to one of its
//! containers (database and role, route file, source repository, password) is
//! named from its row id, which is never given to another one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The number of a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreviewId(i64);

/// A text that is not named from a preview's number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not named from a preview's number")]
pub struct PreviewIdError(String);

impl PreviewId {
    /// The preview with this row id.
    pub fn new(id: i64) -> Self {
        Self(id)
    }

    /// The row id.
    pub fn get(self) -> i64 {
        self.0
    }

    /// The name of its database and of the role that owns it, such as
    /// `berth_d42`.
    pub fn database(self) -> String {
        format!("berth_d{}", self.0)
    }

    /// The preview whose database has this name, if it is one of Berth's.
    pub fn from_database(name: &str) -> Result<Self, PreviewIdError> {
        Self::after(name, "berth_d", "")
    }

    /// The name of its route file, such as `42.caddy`.
    pub fn route_file(self) -> String {
        format!("{}.caddy", self.0)
    }

    /// The preview whose route file has this name.
    pub fn from_route_file(name: &str) -> Result<Self, PreviewIdError> {
        Self::after(name, "", ".caddy")
    }

    /// The name of its own source repository, such as `d42.git`.
    pub fn source_repository(self) -> String {
        format!("d{}.git", self.0)
    }

    /// The preview whose source repository has this name.
    pub fn from_source_repository(name: &str) -> Result<Self, PreviewIdError> {
        Self::after(name, "d", ".git")
    }

    fn after(name: &str, prefix: &str, suffix: &str) -> Result<Self, PreviewIdError> {
        let refuse = || PreviewIdError(name.escape_debug().to_string());
        let digits =
            name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix)).ok_or_else(refuse)?;
        digits.parse().map_err(|_| refuse())
    }
}

impl FromStr for PreviewId {
    type Err = PreviewIdError;

    /// The canonical decimal form of a positive number only, so that one name
    /// leads to one preview.
    fn from_str(digits: &str) -> Result<Self, PreviewIdError> {
        let is_canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match digits.parse() {
            Ok(id) if is_canonical => Ok(Self(id)),
            _ => Err(PreviewIdError(digits.escape_debug().to_string())),
        }
    }
}

impl fmt::Display for PreviewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_the_preview_and_others_to_none() {
        let id = PreviewId::new(42);
        assert_eq!(PreviewId::from_database(&id.database()), Ok(id));
        assert_eq!(PreviewId::from_route_file(&id.route_file()), Ok(id));
        assert_eq!(PreviewId::from_source_repository(&id.source_repository()), Ok(id));
        for name in ["berth_d", "berth_d042", "berth_d+4", "berth_d4x", "postgres", "berth_d0", "berth_d-1"] {
            assert!(PreviewId::from_database(name).is_err(), "{name}");
        }
        assert!(PreviewId::from_route_file("site.caddy").is_err());
    }
}
