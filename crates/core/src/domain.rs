//! The domain below which the previews are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Name;
use crate::name::LABEL_MAX;

/// The longest host name, in bytes and without its final dot
/// ([RFC 1035, section 2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)).
const HOST_MAX: usize = 253;

/// The longest domain, in bytes: a label and its dot still fit before it.
pub const DOMAIN_MAX: usize = HOST_MAX - LABEL_MAX - 1;

/// A domain of two or more labels, in lower case, such as
/// `preview.example.com`.
///
/// Any label followed by a dot and this domain is a host name. It has nothing
/// but `a-z`, `0-9`, `-` and `.` in it, so it may go into any file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

/// Why a text is not a domain. The message names the text and the rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DomainError {
    /// The text has more than [`DOMAIN_MAX`] bytes.
    #[error("the domain has {length} characters: {DOMAIN_MAX} is the most that leaves room for a host")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The text begins with `*.`.
    #[error("`{0}` is a wildcard: leave out the `*.`, the hosts below the domain are meant anyway")]
    Wildcard(String),
    /// The text ends with a dot.
    #[error("`{0}` ends with a dot: leave it out")]
    TrailingDot(String),
    /// The text is a single label.
    #[error("`{0}` is a single name: a domain has two or more, such as `preview.example.com`")]
    OneLabel(String),
    /// The last label is a number, as in an address.
    #[error("`{0}` ends with a number: an address is no domain")]
    Address(String),
    /// A label is none.
    #[error(
        "`{0}` is no domain: write labels of `a-z`, `0-9` and `-` with dots between, such as `preview.example.com`"
    )]
    Label(String),
}

impl Domain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text.len() > DOMAIN_MAX {
            return Err(DomainError::TooLong { length: text.len() });
        }
        let domain = text.to_ascii_lowercase();
        let shown = || text.escape_debug().to_string();
        if domain.starts_with("*.") {
            return Err(DomainError::Wildcard(shown()));
        }
        if domain.len() > 1 && domain.ends_with('.') {
            return Err(DomainError::TrailingDot(shown()));
        }
        for label in domain.split('.') {
            label.parse::<Name>().map_err(|_| DomainError::Label(shown()))?;
        }
        let (_, last) = domain.rsplit_once('.').ok_or_else(|| DomainError::OneLabel(shown()))?;
        if last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DomainError::Address(shown()));
        }
        Ok(Self(domain))
    }
}

text_form!(Domain, DomainError);

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn domains_are_read_in_lower_case() {
        for (written, read) in [
            ("example.com", "example.com"),
            ("Preview.Example.COM", "preview.example.com"),
            ("a.b.c.d", "a.b.c.d"),
            ("10.in-addr.arpa", "10.in-addr.arpa"),
            ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ] {
            assert_eq!(written.parse::<Domain>().expect(written).as_str(), read);
        }
    }

    #[test]
    fn what_is_no_domain_is_refused_with_its_reason() {
        for (bad, reason) in [
            ("localhost", "is a single name: a domain has two or more, such as `preview.example.com`"),
            ("example.com.", "ends with a dot: leave it out"),
            (
                "*.example.com",
                "is a wildcard: leave out the `*.`, the hosts below the domain are meant anyway",
            ),
            ("10.0.0.1", "ends with a number: an address is no domain"),
        ] {
            assert_eq!(bad.parse::<Domain>().expect_err(bad).to_string(), format!("`{bad}` {reason}"));
        }
        for bad in
            ["", ".", "example..com", "example.com:443", "a b.com", "x{\n}.com", "-a.com", "münchen.de"]
        {
            assert_eq!(bad.parse::<Domain>(), Err(DomainError::Label(bad.escape_debug().to_string())));
        }
    }

    proptest! {
        #[test]
        fn a_host_below_any_domain_is_no_longer_than_a_host_may_be(text in "([a-z]{1,63}\\.){1,4}[a-z]{1,63}") {
            match text.parse::<Domain>() {
                Ok(domain) => prop_assert!(LABEL_MAX + 1 + domain.as_str().len() <= HOST_MAX),
                Err(error) => prop_assert_eq!(error, DomainError::TooLong { length: text.len() }),
            }
        }

        #[test]
        fn a_domain_is_what_it_was_read_from(text in "[a-zA-Z0-9.*-]{0,40}") {
            if let Ok(domain) = text.parse::<Domain>() {
                prop_assert_eq!(domain.as_str(), text.to_ascii_lowercase());
                prop_assert_eq!(domain.to_string().parse(), Ok(domain));
            }
        }
    }
}
