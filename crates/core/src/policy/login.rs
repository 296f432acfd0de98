//! People on GitHub, and what they may do in a repository.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most bytes of a name without the `[bot]` of an App. GitHub gives 39 to
/// people and organisations and 34 to Apps; accounts of before its rules, and
/// of GitHub Enterprise Server, may have more. What is longer is nobody's.
const LENGTH_MAX: usize = 100;

/// The name of an account of GitHub, in lower case since GitHub takes any case;
/// an App's ends in `[bot]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Login(String);

/// A text that is no name of an account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no account: its name has letters, digits, `-` and `_`, and may end in `[bot]`")]
pub struct LoginError(String);

impl Login {
    /// Whom GitHub shows for an account that was deleted. It may nothing.
    pub fn ghost() -> Self {
        Self("ghost".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Login {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Self, LoginError> {
        let name = text.strip_suffix("[bot]").unwrap_or(text);
        let is_login = (1..=LENGTH_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let shown = || text.chars().take(LENGTH_MAX).collect::<String>().escape_debug().to_string();
        is_login.then(|| Self(text.to_ascii_lowercase())).ok_or_else(|| LoginError(shown()))
    }
}

text_form!(Login, LoginError);

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an account may do in a repository; each may all that those before it
/// may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Sort issues and pull requests, set labels.
    Triage,
    /// Push.
    Write,
    /// Push, and some of the settings.
    Maintain,
    /// Everything.
    Admin,
}

impl Permission {
    /// Whether it is enough to approve a preview or to command one.
    pub fn may_write(self) -> bool {
        self >= Self::Write
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_one_word_in_one_case() {
        for (text, kept) in [
            ("Octo-Cat", "octo-cat"),
            ("dependabot[bot]", "dependabot[bot]"),
            ("ada_acme", "ada_acme"),
            ("a", "a"),
        ] {
            assert_eq!(text.parse::<Login>().expect("a login").as_str(), kept);
        }
        assert!("a".repeat(100).parse::<Login>().is_ok());
        for text in ["", "[bot]", "a b", "../x", "a/b", "a?b", "@ada", "é", "a[bot]b", &"a".repeat(101)] {
            assert!(text.parse::<Login>().is_err(), "{text}");
        }
    }

    #[test]
    fn who_may_push_may_approve() {
        use Permission::{Admin, Maintain, None, Read, Triage, Write};
        let may = [None, Read, Triage, Write, Maintain, Admin].map(Permission::may_write);
        assert_eq!(may, [false, false, false, true, true, true]);
    }
}
