//! Names that people give to agents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest DNS label, in bytes ([RFC 1035, section 2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)).
pub const LABEL_MAX: usize = 63;

/// The name of an agent: a DNS label in lower case, 1 to 63 bytes.
///
/// It is the host name inside and the word people type. It names nothing on
/// the host: the container is called after the agent's [`Slot`](crate::Slot).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a name. The message names the text and the rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text is empty.
    #[error("the name is empty: give 1 to {LABEL_MAX} of `a-z`, `0-9` and `-`")]
    Empty,
    /// The text has more than 63 bytes.
    #[error("the name has {length} characters: {LABEL_MAX} is the most a host name can have")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that no DNS label has.
    #[error("`{name}` has {character:?} in it: a name is made of `a-z`, `0-9` and `-`")]
    Character {
        /// The text as given, with control characters escaped.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A hyphen in the first or the last place.
    #[error("`{name}` begins or ends with `-`: a name begins and ends with a letter or a digit")]
    Edge {
        /// The text as given.
        name: String,
    },
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one of `names` that this one may be a slip of the fingers for.
    ///
    /// Short names are near to everything, and numbers are chosen, not
    /// mistyped: `try-12` is no slip for `try-11`.
    pub fn nearest<'a>(&self, names: impl IntoIterator<Item = &'a Self>) -> Option<&'a Self> {
        let digits = |name: &Self| -> String { name.0.chars().filter(char::is_ascii_digit).collect() };
        let slips = (self.0.len() / 3).min(2);
        names
            .into_iter()
            .filter(|name| digits(name) == digits(self))
            .map(|name| (edits(&self.0, &name.0), name))
            .filter(|(edits, _)| (1..=slips).contains(edits))
            .min()
            .map(|(_, name)| name)
    }
}

/// How many letters must be put in, taken out, replaced or swapped with their
/// neighbour to make one text of the other.
pub(crate) fn edits(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    // Rows of the table of distances between beginnings, the newest last.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let is_same = one[i - 1] == other[j - 1];
            let mut fewest = (last[j - 1] + usize::from(!is_same)).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                fewest = fewest.min(before[j - 2] + 1);
            }
            row.push(fewest);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_label(text)?;
        Ok(Self(text.to_owned()))
    }
}

text_form!(Name, NameError);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn check_label(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let is_label_character = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(character) = text.chars().find(|c| !is_label_character(*c)) {
        let shown: String = text.chars().take(LABEL_MAX).collect();
        return Err(NameError::Character { name: shown.escape_debug().to_string(), character });
    }
    if text.len() > LABEL_MAX {
        return Err(NameError::TooLong { length: text.len() });
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(NameError::Edge { name: text.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_up_to_63_is_a_name_and_none_beyond() {
        for length in 1..=LABEL_MAX {
            assert!("a".repeat(length).parse::<Name>().is_ok(), "{length}");
        }
        for length in [LABEL_MAX + 1, 200, 100_000] {
            assert_eq!("a".repeat(length).parse::<Name>(), Err(NameError::TooLong { length }));
        }
    }

    #[test]
    fn labels_are_accepted() {
        for good in ["a", "0", "7up", "fix-login", "a--b", "x1"] {
            assert_eq!(good.parse::<Name>().expect(good).as_str(), good);
        }
    }

    #[test]
    fn a_slip_of_the_fingers_is_near_and_another_number_is_not() {
        let names: Vec<Name> = ["fix-login", "fix-logout", "try-11", "x1", "web"]
            .map(|name| name.parse().expect("a name"))
            .into();
        for (typed, meant) in [
            ("fix-logni", Some("fix-login")),
            ("fixlogin", Some("fix-login")),
            ("fix-loginn", Some("fix-login")),
            ("fix-logut", Some("fix-logout")),
            ("wbe", Some("web")),
            ("tyr-11", Some("try-11")),
            ("try-12", None),
            ("x2", None),
            ("x", None),
            ("deploy", None),
        ] {
            let typed: Name = typed.parse().expect("a name");
            assert_eq!(typed.nearest(&names).map(Name::as_str), meant, "{typed}");
        }
    }

    #[test]
    fn what_is_not_a_label_is_refused_with_its_reason() {
        for (bad, message) in [
            ("", "the name is empty: give 1 to 63 of `a-z`, `0-9` and `-`"),
            ("-a", "`-a` begins or ends with `-`: a name begins and ends with a letter or a digit"),
            ("a-", "`a-` begins or ends with `-`: a name begins and ends with a letter or a digit"),
            ("-", "`-` begins or ends with `-`: a name begins and ends with a letter or a digit"),
            ("Fix", "`Fix` has 'F' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("a_b", "`a_b` has '_' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("a.b", "`a.b` has '.' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("a b", "`a b` has ' ' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("a\nb", "`a\\nb` has '\\n' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("a\0", "`a\\0` has '\\0' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("müsli", "`müsli` has 'ü' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("а", "`а` has 'а' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("../x", "`../x` has '.' in it: a name is made of `a-z`, `0-9` and `-`"),
            ("a';id;'", "`a\\';id;\\'` has '\\'' in it: a name is made of `a-z`, `0-9` and `-`"),
        ] {
            let error = bad.parse::<Name>().expect_err(bad);
            assert_eq!(error.to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn edits_are_the_same_from_either_side(one in "[a-c]{0,6}", other in "[a-c]{0,6}") {
            prop_assert_eq!(edits(&one, &other), edits(&other, &one));
            prop_assert_eq!(edits(&one, &other) == 0, one == other);
            prop_assert!(edits(&one, &other) <= one.len().max(other.len()));
        }

        #[test]
        fn a_name_is_accepted_exactly_when_it_is_a_dns_label(text in "\\PC{0,80}|[a-z0-9-]{0,80}") {
            let bytes = text.as_bytes();
            let is_label = (1..=63).contains(&bytes.len())
                && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                && bytes[0] != b'-'
                && bytes[bytes.len() - 1] != b'-';
            prop_assert_eq!(text.parse::<Name>().is_ok(), is_label);
        }
    }
}
