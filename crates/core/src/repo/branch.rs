//! Names of branches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::shown;
use crate::env_file::is_noncharacter;

/// The longest name of a branch, in bytes: git keeps it as a path below
/// `refs/heads`, and a lock file beside it.
const LENGTH_MAX: usize = 200;

/// The name of a branch, without `refs/heads/`.
///
/// Git allows slashes, quotes, dollar signs, letters of all scripts and a
/// leading dash, and so does this type. So a branch is never an argument or
/// part of a script by itself: git is given [`BranchName::full_ref`].
///
/// What git refuses is refused, and beyond that what would show a terminal or
/// a log something else than it is, and what no environment of a service can
/// hold (noncharacters). So every branch is a value that
/// [`EnvFile`](crate::env_file::EnvFile) takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

/// Why a text is not the name of a branch. The message names the text and the
/// rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BranchNameError {
    /// The text is empty.
    #[error("the name of the branch is empty")]
    Empty,
    /// The text is too long.
    #[error("the name of the branch has {length} bytes: {LENGTH_MAX} is the most that works")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that git allows in no reference, or that hides or reorders
    /// others.
    #[error("`{branch}` is no branch: its name has {character:?} in it")]
    Character {
        /// The text as given, escaped.
        branch: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A sequence that means something else to git.
    #[error("`{branch}` is no branch: its name has `{sequence}` in it")]
    Sequence {
        /// The text as given, escaped.
        branch: String,
        /// What is not allowed.
        sequence: &'static str,
    },
    /// A part between slashes that git keeps for itself.
    #[error(
        "`{branch}` is no branch: between its slashes is a part that is empty, begins with `.` or ends in `.lock`"
    )]
    Part {
        /// The text as given, escaped.
        branch: String,
    },
    /// A dot in the last place.
    #[error("`{branch}` is no branch: its name ends with `.`")]
    LastDot {
        /// The text as given, escaped.
        branch: String,
    },
    /// A word that git reads as something else.
    #[error("`{branch}` is no branch: git means something else by it")]
    Word {
        /// The text as given.
        branch: String,
    },
}

impl BranchName {
    /// The name as text, without `refs/heads/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reference, such as `refs/heads/main`: the form that git is given.
    pub fn full_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for BranchName {
    type Err = BranchNameError;

    fn from_str(text: &str) -> Result<Self, BranchNameError> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

/// The rules of `git check-ref-format --branch`, and ours.
fn check(text: &str) -> Result<(), BranchNameError> {
    if text.is_empty() {
        return Err(BranchNameError::Empty);
    }
    if text.len() > LENGTH_MAX {
        return Err(BranchNameError::TooLong { length: text.len() });
    }
    let branch = || shown(text);
    let is_refused = |c: &char| is_syntax(*c) || c.is_control() || is_deceptive(*c) || is_noncharacter(*c);
    if let Some(character) = text.chars().find(is_refused) {
        return Err(BranchNameError::Character { branch: branch(), character });
    }
    if let Some(sequence) = ["..", "@{"].into_iter().find(|sequence| text.contains(sequence)) {
        return Err(BranchNameError::Sequence { branch: branch(), sequence });
    }
    let is_kept_by_git =
        |part: &str| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some();
    if text.split('/').any(is_kept_by_git) {
        return Err(BranchNameError::Part { branch: branch() });
    }
    if text.ends_with('.') {
        return Err(BranchNameError::LastDot { branch: branch() });
    }
    if matches!(text, "@" | "HEAD") {
        return Err(BranchNameError::Word { branch: branch() });
    }
    Ok(())
}

/// What git's own syntax for revisions and patterns is made of.
fn is_syntax(c: char) -> bool {
    matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')
}

/// Characters that are not seen, or that change the order or the lines of
/// what is seen. The joiners U+200C and U+200D are not among them: some
/// scripts and many emoji need them.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

text_form!(BranchName, BranchNameError);

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests;
