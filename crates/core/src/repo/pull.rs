//! Numbers of pull requests.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::shown;

/// The number of a pull request, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PullNumber(NonZeroU32);

/// A text or a number that is no pull request's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no number of a pull request: give a whole number from 1 to {max}", max = u32::MAX)]
pub struct PullNumberError(String);

impl PullNumber {
    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Where its newest commit is in the repository that it is a pull request
    /// to, also when it comes from a fork.
    pub fn head_ref(self) -> String {
        format!("refs/pull/{}/head", self.0)
    }
}

impl TryFrom<u32> for PullNumber {
    type Error = PullNumberError;

    fn try_from(number: u32) -> Result<Self, PullNumberError> {
        NonZeroU32::new(number).map(Self).ok_or_else(|| PullNumberError(number.to_string()))
    }
}

impl FromStr for PullNumber {
    type Err = PullNumberError;

    /// The decimal form that [`Display`](fmt::Display) writes, and no other.
    fn from_str(digits: &str) -> Result<Self, PullNumberError> {
        let is_canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match digits.parse() {
            Ok(number) if is_canonical => Ok(Self(number)),
            _ => Err(PullNumberError(shown(digits))),
        }
    }
}

impl fmt::Display for PullNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_spelling() {
        let pull: PullNumber = "12".parse().expect("a number");
        assert_eq!((pull.get(), pull.to_string().as_str()), (12, "12"));
        assert_eq!(pull.head_ref(), "refs/pull/12/head");
        assert_eq!("4294967295".parse::<PullNumber>().expect("the last one").get(), u32::MAX);
        for other in ["", "0", "012", "+12", "-1", " 12", "12 ", "#12", "1_2", "١٢", "4294967296"] {
            assert!(other.parse::<PullNumber>().is_err(), "{other}");
        }
        assert_eq!(
            "#12\n".parse::<PullNumber>().expect_err("no number").to_string(),
            "`#12\\n` is no number of a pull request: give a whole number from 1 to 4294967295"
        );
    }

    #[test]
    fn a_record_holds_the_bare_number() {
        assert_eq!(serde_json::to_string(&PullNumber::try_from(7).expect("a number")).expect("JSON"), "7");
        assert_eq!(serde_json::from_str::<PullNumber>("7").expect("a number").get(), 7);
        assert!(serde_json::from_str::<PullNumber>("0").is_err());
        assert!(PullNumber::try_from(0).is_err());
    }
}
