//! What counts as an answer of a preview that is up.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::route::{PathError, check_segments};

/// The request that a preview must answer before it is shown as ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// What is asked for, on the main host.
    pub path: ReadyPath,
    /// The status that counts; any from 200 to 399 if nothing.
    pub status: Option<u16>,
}

impl Ready {
    /// Whether an answer with this status says that the preview is up.
    pub fn is_met_by(&self, status: u16) -> bool {
        match self.status {
            Some(wanted) => status == wanted,
            None => (200..400).contains(&status),
        }
    }
}

/// A request for [`Ready`], straight to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyRequest<'a> {
    /// The port of the guest.
    pub port: NonZeroU16,
    /// The path as the service sees it.
    pub path: &'a str,
}

/// A path that is asked for: like a [`RoutePath`](super::RoutePath), but a
/// final slash stays.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReadyPath(String);

impl ReadyPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReadyPath {
    /// The root, `/`.
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for ReadyPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        check_segments(text.strip_suffix('/').unwrap_or(text), text)?;
        Ok(Self(text.to_owned()))
    }
}

text_form!(ReadyPath, PathError);

impl fmt::Display for ReadyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_and_redirects_are_an_answer_unless_a_status_is_named() {
        let any = Ready::default();
        let unauthorized = Ready { status: Some(401), ..Ready::default() };
        for (status, is_any, is_unauthorized) in [
            (199, false, false),
            (200, true, false),
            (308, true, false),
            (399, true, false),
            (401, false, true),
            (502, false, false),
        ] {
            assert_eq!(any.is_met_by(status), is_any, "{status}");
            assert_eq!(unauthorized.is_met_by(status), is_unauthorized, "{status}");
        }
    }

    #[test]
    fn a_final_slash_is_part_of_the_request() {
        for good in ["/", "/health", "/health/", "/api/v1/health.json"] {
            assert_eq!(good.parse::<ReadyPath>().expect(good).as_str(), good);
        }
        for bad in ["", "health", "//", "/a?b", "/a b", "/a\r\nHost: x", "/../x", "/*"] {
            assert!(bad.parse::<ReadyPath>().is_err(), "{bad:?}");
        }
    }
}
