//! The one site that all previews are in, and its certificate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::text::Text;
use crate::Domain;
use crate::env_file::EnvName;

/// Where the certificate for `*.DOMAIN` comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Caddy's own authority, which browsers do not know.
    Internal,
    /// Files that the operator renews, such as an origin certificate of a
    /// network in front of the host.
    Files {
        /// The certificate with its chain, as PEM.
        certificate: PathBuf,
        /// Its private key, as PEM.
        key: PathBuf,
    },
    /// A public authority through ACME. It gives a wildcard certificate only
    /// to who can change the domain's DNS records, so Caddy must have been
    /// built with a module for the DNS provider.
    Acme {
        /// The module.
        dns: DnsProvider,
        /// The variable in the environment of Caddy's service that holds the
        /// provider's token.
        token: EnvName,
    },
}

/// The name of a Caddy module for a DNS provider, such as `cloudflare`:
/// `a-z`, `0-9` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsProvider(String);

/// A text that names no module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no DNS provider: give the name of its Caddy module, such as `cloudflare`")]
pub struct DnsProviderError(String);

impl FromStr for DnsProvider {
    type Err = DnsProviderError;

    fn from_str(text: &str) -> Result<Self, DnsProviderError> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DnsProviderError(text.escape_debug().to_string()))
        }
    }
}

text_form!(DnsProvider, DnsProviderError);

impl fmt::Display for DnsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text of the site `*.DOMAIN`, with the route files that `routes_glob`
/// names, such as `/run/berth/routes/*.caddy`. There may be none.
///
/// The paths are the operator's. Caddy reads `{$NAME}` in them as a variable
/// of its environment.
pub fn wildcard_site(domain: &Domain, tls: &Tls, routes_glob: &Path) -> String {
    let mut text = Text::default();
    text.block(&format!("*.{domain}"), |text| {
        match tls {
            Tls::Internal => text.line("tls internal"),
            Tls::Files { certificate, key } => {
                text.line(&format!("tls {} {}", quoted(certificate), quoted(key)));
            }
            Tls::Acme { dns, token } => {
                text.block("tls", |text| text.line(&format!("dns {dns} {{env.{token}}}")));
            }
        }
        text.line(&format!("import {}", quoted(routes_glob)));
        text.block("handle", |text| text.line(r#"respond "there is no preview of this name" 404"#));
    });
    text.finish()
}

/// A path as one word. Within quotes, a quote is all that needs an escape.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\\\""))
}
