//! Names of commits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::shown;

/// The full name of a commit: 40 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);

/// A text that is not the full name of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no commit: give all 40 hexadecimal digits, as `git rev-parse` prints them")]
pub struct CommitShaError(String);

impl CommitSha {
    /// The number of digits.
    pub const LENGTH: usize = 40;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for CommitSha {
    type Err = CommitShaError;

    fn from_str(text: &str) -> Result<Self, CommitShaError> {
        if text.len() != Self::LENGTH || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(CommitShaError(shown(text)));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

text_form!(CommitSha, CommitShaError);

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_40_digits_kept_in_lower_case() {
        let commit: CommitSha = "0123456789ABCDEFabcdef0123456789abcdef01".parse().expect("a commit");
        assert_eq!(commit.as_str(), "0123456789abcdefabcdef0123456789abcdef01");
        assert_eq!(commit.short(), "0123456789ab");
        let digits = "a".repeat(40);
        for other in
            ["", "HEAD", &digits[1..], &format!("{digits}a"), &format!("{}g", &digits[1..]), &"é".repeat(20)]
        {
            assert!(other.parse::<CommitSha>().is_err(), "{other}");
        }
        assert_eq!(
            "--upload-pack=x\n".parse::<CommitSha>().expect_err("no commit").to_string(),
            "`--upload-pack=x\\n` is no commit: give all 40 hexadecimal digits, as `git rev-parse` prints them"
        );
    }
}
