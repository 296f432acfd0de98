//! Where the API is.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use thiserror::Error;

/// The base of the API's URLs, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiBase(String);

/// A text that is no base of an API.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no base of an API: write such as `https://api.github.com`, without a user, a query or a `/` at the end"
)]
pub struct ApiBaseError(String);

impl ApiBase {
    /// The base as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached through TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The URL of a path, which begins with a slash and may have a query.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl Default for ApiBase {
    /// That of github.com.
    fn default() -> Self {
        Self("https://api.github.com".to_owned())
    }
}

impl FromStr for ApiBase {
    type Err = ApiBaseError;

    fn from_str(text: &str) -> Result<Self, ApiBaseError> {
        let error = || ApiBaseError(text.escape_debug().to_string());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let has_end = text.ends_with('/') || uri.query().is_some() || text.contains('#');
        if is_web && is_plain && !has_end { Ok(Self(text.to_owned())) } else { Err(error()) }
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_has_a_host_and_no_end() {
        for text in ["https://api.github.com", "http://127.0.0.1:8419", "https://git.example.com/api/v3"] {
            assert_eq!(text.parse::<ApiBase>().expect("a base").url("/app"), format!("{text}/app"));
        }
        for text in [
            "",
            "api.github.com",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a/",
            "https://a?b",
            "https://a/#x",
        ] {
            assert!(text.parse::<ApiBase>().is_err(), "{text}");
        }
    }
}
