//! Where the API is, and which forge is the same GitHub.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::config::Forge;

/// The base of github.com's API, and where its repositories are.
const GITHUB: (&str, &str) = ("https://api.github.com", "https://github.com");
/// Where GitHub Enterprise Server has its API, below the base of its
/// repositories.
const ENTERPRISE: &str = "/api/v3";

/// The base of an API's addresses, without a `/` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiBase(String);

/// A text that is no base of an API.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no base of an API: write such as `https://api.github.com`, without a user or a `/` at the end"
)]
pub struct ApiBaseError(String);

impl ApiBase {
    /// The base.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached through TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether the repositories of this forge are those of this API, so that
    /// the tokens of the API are meant for it. All others must see none.
    ///
    /// `https://github.com` belongs to `https://api.github.com`, and the host
    /// itself to `SCHEME://HOST[:PORT]/api/v3` and to `SCHEME://HOST[:PORT]`.
    /// A forge below a path belongs to none: another may have the rest of that
    /// host.
    pub fn serves(&self, forge: &Forge) -> bool {
        let Some(forge) = Origin::of(forge.as_str()) else { return false };
        let Some((origin, path)) = Origin::and_path(&self.0) else { return false };
        match path {
            "" if Some(&origin) == Origin::of(GITHUB.0).as_ref() => Some(forge) == Origin::of(GITHUB.1),
            "" | ENTERPRISE => forge == origin,
            _ => false,
        }
    }
}

/// Scheme, host and port of an address, written in one way.
#[derive(PartialEq, Eq)]
struct Origin<'a> {
    scheme: &'a str,
    authority: String,
}

impl<'a> Origin<'a> {
    /// That of an address without a path.
    fn of(address: &'a str) -> Option<Self> {
        Self::and_path(address).filter(|(_, path)| path.is_empty()).map(|(origin, _)| origin)
    }

    /// That of a web address, and the path with the slash in front.
    fn and_path(address: &'a str) -> Option<(Self, &'a str)> {
        let (scheme, rest) = address.split_once("://")?;
        let usual_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority.strip_suffix(usual_port).unwrap_or(authority).to_ascii_lowercase();
        Some((Self { scheme, authority }, path))
    }
}

impl Default for ApiBase {
    /// That of github.com.
    fn default() -> Self {
        Self(GITHUB.0.to_owned())
    }
}

impl FromStr for ApiBase {
    type Err = ApiBaseError;

    fn from_str(text: &str) -> Result<Self, ApiBaseError> {
        let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let is_base = rest.is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                && !rest.ends_with('/')
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/[]".contains(&b))
        });
        if is_base { Ok(Self(text.to_owned())) } else { Err(ApiBaseError(text.escape_debug().to_string())) }
    }
}

impl fmt::Display for ApiBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn serves(api: &str, forge: &str) -> bool {
        let (api, forge): (ApiBase, Forge) = (api.parse().expect("a base"), forge.parse().expect("a forge"));
        api.serves(&forge)
    }

    #[test]
    fn a_forge_belongs_to_the_api_of_the_same_github() {
        for (api, forge) in [
            ("https://api.github.com", "https://github.com"),
            ("https://API.GitHub.com:443", "https://GitHub.com"),
            ("https://git.example.com/api/v3", "https://git.example.com"),
            ("https://git.example.com:8443/api/v3", "https://git.example.com:8443"),
            ("http://127.0.0.1:8418", "http://127.0.0.1:8418"),
            ("http://[::1]/api/v3", "http://[::1]:80"),
        ] {
            assert!(serves(api, forge), "{api} {forge}");
        }
    }

    #[test]
    fn no_other_forge_belongs_to_an_api() {
        for (api, forge) in [
            ("https://api.github.com", "https://api.github.com"),
            ("https://api.github.com", "http://github.com"),
            ("https://api.github.com", "https://github.com:8443"),
            ("https://api.github.com", "https://github.com.example.com"),
            ("https://api.github.com", "https://github.com/evil"),
            ("https://api.github.com", "https://gist.github.com"),
            ("https://api.github.com", "file:///github.com"),
            ("https://api.github.com/api/v3", "https://github.com"),
            ("http://api.github.com", "https://github.com"),
            ("https://git.example.com/api/v3", "https://github.com"),
            ("https://git.example.com/api/v3", "http://git.example.com"),
            ("https://git.example.com/api/v3", "https://git.example.com:8443"),
            ("https://git.example.com/api/v3", "https://git.example.com/api/v3"),
            ("https://git.example.com/api/v4", "https://git.example.com"),
            ("http://127.0.0.1:8418", "http://127.0.0.1:8419"),
            ("http://127.0.0.1:443", "https://127.0.0.1"),
            ("http://127.0.0.1:8418", "http://127.0.0.1:8418/other"),
        ] {
            assert!(!serves(api, forge), "{api} {forge}");
        }
    }

    proptest! {
        #[test]
        fn what_belongs_has_the_host_of_the_api(api in "[a-z]{1,3}(:[0-9]{1,3})?(/api/v3|/x)?",
                                                forge in "[a-z]{1,3}(:[0-9]{1,3})?(/x)?") {
            if serves(&format!("https://{api}"), &format!("https://{forge}")) {
                let host = |text: &str| text.split([':', '/']).next().map(str::to_owned);
                prop_assert_eq!(host(&api), host(&forge));
            }
        }
    }
}
