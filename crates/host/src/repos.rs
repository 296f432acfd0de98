//! Git: mirrors of repositories, and the source repositories of previews.
//!
//! A mirror is bare and has what was fetched, below `refs/berth` only: `fetched`
//! is the newest, `d42/COMMIT` keeps what preview 42 uses. Nothing is ever
//! pruned from it. A preview's own repository is small, has its one commit as
//! `refs/heads/BRANCH`, and borrows the mirror's objects; containers get both
//! read-only.
//!
//! All of git's work is done by the unprivileged user [`USER`] in confined
//! units, and so is what must be written or removed: root follows no path below
//! folders that this user can write.

mod error;
#[cfg(any(test, feature = "fake"))]
pub(crate) mod fake;
mod messages;
mod nix_files;
mod nix_listing;
mod real;
#[cfg(test)]
pub(crate) mod unconfined;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::config::Forge;
use berth_core::limits::Memory;
use berth_core::{BranchName, CommitSha, NixFiles, PreviewId, PullNumber, RepoName};
use zeroize::Zeroizing;

use crate::exec::Watcher;

pub use self::error::RepoError;
#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeRepos;
pub use self::real::GitRepos;

/// Whom git runs as, and who owns the mirrors and the source repositories.
pub const USER: &str = "berth-git";

/// The repositories of a host.
#[async_trait]
pub trait Repos: Send + Sync {
    /// Brings a branch or a pull request into its mirror, which is made where
    /// it is missing, and tells the commit. What the forge says meanwhile goes
    /// to `log`, line by line, safe to show.
    ///
    /// Takes the lock of the mirror and waits for it as long as for the fetch.
    /// A fetch that fails, or whose future is dropped, leaves a mirror that the
    /// next one can use.
    async fn fetch(
        &self,
        fetch: &Fetch,
        limits: FetchLimits,
        log: Watcher<'_>,
    ) -> Result<CommitSha, RepoError>;

    /// Whether the mirror has this commit; no mirror has none.
    async fn has_commit(&self, mirror: i64, commit: &CommitSha) -> Result<bool, RepoError>;

    /// The files of a commit whose names end in `.nix`. Of symbolic links only
    /// those that end so and lead to such a file of the same repository are
    /// there, as copies of it; one that leaves the repository is an error.
    async fn nix_files(&self, mirror: i64, commit: &CommitSha) -> Result<NixFiles, RepoError>;

    /// Makes a commit that was fetched the only one of the preview's own
    /// repository, as this branch. The repository is made where it is missing;
    /// one that containers have bound changes in place, its branch in one step.
    /// The caller holds the preview's lock.
    async fn publish(
        &self,
        preview: PreviewId,
        mirror: i64,
        branch: &BranchName,
        commit: &CommitSha,
    ) -> Result<(), RepoError>;

    /// Removes a preview's own repository and what it keeps in the mirrors.
    /// Gone already is success.
    async fn remove(&self, preview: PreviewId) -> Result<(), RepoError>;

    /// The previews that have a repository of their own, half-made ones too.
    fn list(&self) -> Result<BTreeSet<PreviewId>, RepoError>;
}

/// What to fetch, and where it goes.
#[derive(Clone)]
pub struct Fetch {
    /// The row id of the repository, which names its mirror.
    pub mirror: i64,
    /// The repository.
    pub repo: RepoName,
    /// Where repositories are.
    pub forge: Forge,
    /// What the forge asks for where not everybody may read.
    pub token: Option<Token>,
    /// The preview that the commit is for: the mirror keeps it from then on.
    pub preview: Option<PreviewId>,
    /// The reference.
    pub wanted: Wanted,
    /// A commit of that reference; its newest when nothing. One of another
    /// branch or of a fork is refused.
    pub commit: Option<CommitSha>,
}

/// A reference of a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// A branch of the repository itself.
    Branch(BranchName),
    /// The commits of a pull request to it, wherever they come from.
    Pull(PullNumber),
}

impl Wanted {
    /// The reference in the forge's repository.
    pub fn full_ref(&self) -> String {
        match self {
            Self::Branch(branch) => branch.full_ref(),
            Self::Pull(number) => number.head_ref(),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => write!(f, "branch `{branch}`"),
            Self::Pull(number) => write!(f, "pull request {number}"),
        }
    }
}

/// What a fetch may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// How long, and how long to wait for another fetch of that mirror before.
    pub deadline: Duration,
    /// The largest pack that it may bring.
    pub largest: Memory,
}

/// What opens a private repository. Neither printed nor written anywhere.
#[derive(Clone)]
pub struct Token(Zeroizing<Vec<u8>>);

impl Token {
    /// A token as a file or a forge gave it, without the white space around it.
    pub fn new(bytes: &Zeroizing<Vec<u8>>) -> Result<Self, RepoError> {
        let token = bytes.trim_ascii();
        let is_token = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
        is_token.then(|| Self(Zeroizing::new(token.to_vec()))).ok_or(RepoError::Token)
    }

    /// The token itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A text without it.
    fn hidden_in(&self, text: &str) -> String {
        let token = String::from_utf8_lossy(&self.0);
        text.replace(&*token, "[token]")
    }

    /// One line for the program that asks for it.
    fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(self.0.len() + 1);
        line.extend_from_slice(&self.0);
        line.push(b'\n');
        line
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Token, RepoError> {
        Token::new(&Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_token_is_one_word_and_never_shown() {
        let good = token("  ghp_poison123\n").expect("a token");
        assert_eq!(good.line(), b"ghp_poison123\n");
        assert_eq!(format!("{good:?}"), "Token");
        for bad in ["", "\n", "two words", "two\nlines", "nul\0", "größe"] {
            let error = token(bad).expect_err(bad);
            assert_eq!(
                error.to_string(),
                "the forge's token is empty or not one word of visible ASCII: correct the file that `preview.token` names"
            );
        }
    }

    #[test]
    fn a_wanted_reference_reads_as_people_say_it() {
        let branch = Wanted::Branch("-fix/it's".parse().expect("a branch"));
        let pull = Wanted::Pull("12".parse().expect("a number"));
        assert_eq!(
            (branch.to_string(), branch.full_ref()),
            ("branch `-fix/it's`".into(), "refs/heads/-fix/it's".into())
        );
        assert_eq!(
            (pull.to_string(), pull.full_ref()),
            ("pull request 12".into(), "refs/pull/12/head".into())
        );
    }
}
