//! What GitHub calls things: repositories, branches, commits, pull requests.
//!
//! All of it comes from the command line, from payloads or from a repository,
//! so each is checked once, here, and its type is what the rest passes on.

mod branch;
mod commit;
mod pull;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use branch::{BranchName, BranchNameError};
pub use commit::{CommitSha, CommitShaError};
pub use pull::{PullNumber, PullNumberError};

/// The longest name of an owner, in bytes.
const OWNER_MAX: usize = 39;
/// The longest name of a repository without its owner, in bytes.
const NAME_MAX: usize = 100;

/// A repository as GitHub names it: `owner/name`, in lower case.
///
/// GitHub takes names in any case for the same repository, so they are kept in
/// one case: two spellings are equal and hash alike. The owner begins with a
/// letter or a digit; the name may begin with any of `A-Za-z0-9._-`, also with
/// a hyphen or a dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName(String);

/// Why a text is not the name of a repository. The message names the text and
/// the rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RepoNameError {
    /// An address of a repository instead of its name.
    #[error("`{text}` is an address: give the repository as `owner/name`{}", hint(.meant.as_ref()))]
    Address {
        /// The text as given, escaped and cut, without what stands before an
        /// `@`: people paste addresses with a token in them.
        text: String,
        /// The repository that the address may mean.
        meant: Option<RepoName>,
    },
    /// Not two parts with a slash between them.
    #[error("`{text}` is no repository: give it as `owner/name`, such as `acme/site`")]
    Shape {
        /// The text as given, escaped and cut.
        text: String,
    },
    /// The part before the slash is not the name of a GitHub account.
    #[error(
        "`{text}` has no owner that GitHub knows: an owner is 1 to {OWNER_MAX} of `A-Z`, `a-z`, `0-9`, `-` and \
         `_`, and begins with a letter or a digit"
    )]
    Owner {
        /// The text as given, escaped and cut.
        text: String,
    },
    /// The part after the slash is not the name of a repository.
    #[error(
        "`{text}` has no name that GitHub knows: the name of a repository is 1 to {NAME_MAX} of `A-Z`, `a-z`, \
         `0-9`, `.`, `-` and `_`, not `.` or `..`, and does not end in `.git`"
    )]
    Name {
        /// The text as given, escaped and cut.
        text: String,
    },
}

impl RepoName {
    /// The name as text: `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account that the repository belongs to.
    pub fn owner(&self) -> &str {
        self.parts().0
    }

    /// The name without the owner.
    pub fn name(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').expect("a repository's name has a slash")
    }
}

impl FromStr for RepoName {
    type Err = RepoNameError;

    fn from_str(given: &str) -> Result<Self, RepoNameError> {
        if is_address(given) {
            return Err(RepoNameError::Address { text: shown(&without_user(given)), meant: meant_by(given) });
        }
        let shape = || RepoNameError::Shape { text: shown(given) };
        let (owner, name) = given.split_once('/').ok_or_else(shape)?;
        if name.contains('/') {
            return Err(shape());
        }
        if !is_owner(owner) {
            return Err(RepoNameError::Owner { text: shown(given) });
        }
        if !is_name(name) {
            return Err(RepoNameError::Name { text: shown(given) });
        }
        Ok(Self(given.to_ascii_lowercase()))
    }
}

/// New accounts have single hyphens between letters and digits, older ones
/// also doubled and last ones, and those that a company manages end in
/// `_` and the company's code.
fn is_owner(owner: &str) -> bool {
    (1..=OWNER_MAX).contains(&owner.len())
        && owner.starts_with(|c: char| c.is_ascii_alphanumeric())
        && owner.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.to_ascii_lowercase().ends_with(".git")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// Whether this is what people copy from a browser or hand to `git clone`.
fn is_address(given: &str) -> bool {
    let lower = given.to_ascii_lowercase();
    lower.contains("://") || lower.contains('@') || lower.starts_with("github.com/")
}

/// The address without user, password and token.
fn without_user(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// The repository of an address: what follows the host, without what follows
/// the name.
fn meant_by(address: &str) -> Option<RepoName> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let (_, path) = rest.split_once(['/', ':'])?;
    let path = path.split(['?', '#']).next()?;
    let mut parts = path.split('/');
    let (owner, name) = (parts.next()?, parts.next()?);
    format!("{owner}/{}", name.strip_suffix(".git").unwrap_or(name)).parse().ok()
}

fn hint(meant: Option<&RepoName>) -> String {
    let example = meant.map_or("acme/site", RepoName::as_str);
    format!(", such as `{example}`")
}

/// A hostile text for a message: without control characters, and not endless.
fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(OWNER_MAX + 1 + NAME_MAX).collect();
    beginning.escape_debug().to_string()
}

text_form!(RepoName, RepoNameError);

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests;
