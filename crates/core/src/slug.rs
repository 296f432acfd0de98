//! Slugs: what people call a preview, and its host name below the domain.
//!
//! Nothing on the host is named from a slug, and it is made once: the record
//! keeps it, so a later change of these rules renames no preview.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::name::{Name, NameError};
use crate::repo::{BranchName, PullNumber, RepoName};

/// The longest slug, in bytes.
///
/// An extra host of a preview is `PREFIX-SLUG`, and that too must be a DNS
/// label: `SLUG_MAX + 1 + PREFIX_MAX` is [`LABEL_MAX`](crate::name::LABEL_MAX).
pub const SLUG_MAX: usize = 42;

/// The longest prefix of an extra host, in bytes.
pub const PREFIX_MAX: usize = 20;

/// Names that no preview may have: what the host serves or may come to serve
/// below the same domain, and what mail, proxy and certificate clients ask
/// for unasked.
pub const RESERVED: [&str; 30] = [
    "admin",
    "agent",
    "api",
    "auth",
    "autoconfig",
    "autodiscover",
    "berth",
    "berthd",
    "caddy",
    "dashboard",
    "docs",
    "ftp",
    "git",
    "health",
    "host",
    "imap",
    "localhost",
    "login",
    "mail",
    "metrics",
    "mta-sts",
    "preview",
    "smtp",
    "ssh",
    "static",
    "status",
    "webhook",
    "webhooks",
    "wpad",
    "www",
];

/// How much of a repository's name stays when branch and repository are both
/// too long, in bytes.
const REPO_MIN: usize = 12;

/// The digits of the hash, and the hyphen before them.
const HASH_LENGTH: usize = 9;

/// How many hashed slugs are tried. Each has 32 bits of its own, so more than
/// one is needed only when somebody chose slugs by hand to that end.
const ATTEMPTS: u32 = 64;

/// What a preview is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin<'a> {
    /// A branch of the repository.
    Branch(&'a BranchName),
    /// A pull request to the repository.
    Pull(PullNumber),
}

/// Why a text cannot be the slug of a preview.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SlugError {
    /// It is no DNS label.
    #[error(transparent)]
    Label(#[from] NameError),
    /// It leaves no room for the prefix of an extra host.
    #[error("`{slug}` has {} characters: {SLUG_MAX} is the most a slug can have", .slug.as_str().len())]
    TooLong {
        /// The text as given.
        slug: Name,
    },
    /// The host keeps it for itself.
    #[error("`{slug}` is kept for the host itself: choose another slug")]
    Reserved {
        /// The text as given.
        slug: Name,
    },
    /// It looks like the encoded form of an international name.
    #[error("`{slug}` has `--` in the third place, which DNS keeps for encoded names: choose another slug")]
    Encoded {
        /// The text as given.
        slug: Name,
    },
}

/// Makes the slug of a preview.
///
/// A pull request is `REPO-NUMBER`, or `NUMBER` in the `default_repository`; a
/// branch is `REPO-BRANCH`. What is no letter or digit of ASCII becomes a
/// hyphen. Eight digits of a hash of repository and origin are appended when
/// letters were lost, when the text had to be cut to [`SLUG_MAX`], or when the
/// plain slug is reserved or `is_taken`; then the rest makes room for them,
/// but the number of a pull request stays whole.
///
/// The result depends on nothing but the arguments. `is_taken` is asked a
/// bounded number of times: the database's unique column has the last word.
/// For two previews to never share a host name it must know the extra hosts
/// of other previews too.
pub fn slug(
    repo: &RepoName,
    origin: Origin<'_>,
    default_repository: Option<&RepoName>,
    is_taken: impl Fn(&Name) -> bool,
) -> Name {
    let plain = Plain::new(repo, origin, default_repository);
    let is_free = |name: &Name| !is_reserved(name) && !is_taken(name);
    if plain.is_whole() {
        let name = label(&plain.within(SLUG_MAX));
        if is_free(&name) {
            return name;
        }
    }
    let hashed = |attempt| {
        let beginning = plain.within(SLUG_MAX - HASH_LENGTH);
        label(&format!("{beginning}-{}", hash(repo, origin, attempt)))
    };
    (0..ATTEMPTS).map(hashed).find(is_free).unwrap_or_else(|| hashed(ATTEMPTS))
}

/// Whether no preview may have this name.
pub fn is_reserved(name: &Name) -> bool {
    RESERVED.contains(&name.as_str())
}

/// Checks a slug that somebody chose by hand.
pub fn check_slug(text: &str) -> Result<Name, SlugError> {
    let slug: Name = text.parse()?;
    if slug.as_str().len() > SLUG_MAX {
        return Err(SlugError::TooLong { slug });
    }
    if is_reserved(&slug) {
        return Err(SlugError::Reserved { slug });
    }
    if slug.as_str().get(2..4) == Some("--") {
        return Err(SlugError::Encoded { slug });
    }
    Ok(slug)
}

/// The two parts of a slug before anything is cut.
struct Plain {
    /// The repository, or nothing for a pull request of the default one.
    repo: Option<Folded>,
    /// The branch or the number.
    origin: Folded,
}

impl Plain {
    fn new(repo: &RepoName, origin: Origin<'_>, default_repository: Option<&RepoName>) -> Self {
        let folded_repo = || Folded::new(repo.name(), "repo");
        match origin {
            Origin::Branch(branch) => {
                Self { repo: Some(folded_repo()), origin: Folded::new(branch.as_str(), "branch") }
            }
            Origin::Pull(number) => Self {
                repo: (default_repository != Some(repo)).then(folded_repo),
                origin: Folded::new(&number.to_string(), "pull"),
            },
        }
    }

    /// Whether it says all that people need to tell it from others, and fits.
    fn is_whole(&self) -> bool {
        let is_lossy = self.origin.is_lossy || self.repo.as_ref().is_some_and(|repo| repo.is_lossy);
        let repo_length = self.repo.as_ref().map_or(0, |repo| repo.text.len() + 1);
        !is_lossy && repo_length + self.origin.text.len() <= SLUG_MAX
    }

    /// The slug in at most `room` bytes. The repository gives way first, down
    /// to [`REPO_MIN`]; a number always fits beside that.
    fn within(&self, room: usize) -> String {
        let origin = &self.origin.text;
        let Some(repo) = &self.repo else { return cut(origin, room).to_owned() };
        let repo = cut(&repo.text, room.saturating_sub(1 + origin.len()).max(REPO_MIN));
        format!("{repo}-{}", cut(origin, room - 1 - repo.len()))
    }
}

/// A text made of `a-z`, `0-9` and single hyphens between them.
struct Folded {
    text: String,
    /// Whether letters or digits of the original are not in it.
    is_lossy: bool,
}

impl Folded {
    fn new(original: &str, fallback: &str) -> Self {
        let words: Vec<String> = original
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        if words.is_empty() {
            return Self { text: fallback.to_owned(), is_lossy: true };
        }
        Self { text: words.join("-"), is_lossy: !original.is_ascii() }
    }
}

fn cut(text: &str, room: usize) -> &str {
    text[..text.len().min(room)].trim_end_matches('-')
}

fn label(text: &str) -> Name {
    text.parse().expect("letters and digits with hyphens between them are a DNS label")
}

/// The same on every host and in every version: records and links outlive
/// both. No part can hold a line feed, so no two inputs give one text.
fn hash(repo: &RepoName, origin: Origin<'_>, attempt: u32) -> String {
    let digest = Sha256::digest(format!("{repo}\n{origin}\n{attempt}"));
    digest.iter().take((HASH_LENGTH - 1) / 2).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => write!(f, "branch {branch}"),
            Self::Pull(number) => write!(f, "pull request {number}"),
        }
    }
}

#[cfg(test)]
mod tests;
