//! A pull request as GitHub's API shows it.

use serde::Deserialize;

use crate::policy::Login;
use crate::{BranchName, CommitSha, PullNumber, RepoName};

/// A pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The repository that it is a pull request to.
    pub repo: RepoName,
    /// Its number there.
    pub number: PullNumber,
    /// Whether it is open.
    pub state: PullState,
    /// Whether it was merged; then it is closed too.
    pub is_merged: bool,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Its newest commit.
    pub head: CommitSha,
    /// The branch that this commit is on, in the repository that it comes
    /// from; nothing when the name is none that Berth takes.
    pub head_branch: Option<BranchName>,
    /// Where it comes from.
    pub origin: Origin,
    /// The branch that it is to be merged into; nothing as for the head's.
    pub base_branch: Option<BranchName>,
    /// Its labels, as people wrote them.
    pub labels: Vec<String>,
    /// Who opened it.
    pub author: Login,
}

/// Whether a pull request is open, in GitHub's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullState {
    /// It is.
    Open,
    /// It was closed, merged or not.
    Closed,
}

/// Where a pull request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A branch of the repository itself: who pushed there may write.
    Branch,
    /// Another repository.
    Fork(RepoName),
    /// Another repository that is gone.
    DeletedFork,
}

impl Pull {
    /// Whether it carries this label.
    pub fn has_label(&self, label: &str) -> bool {
        self.labels.iter().any(|one| is_same_label(one, label))
    }
}

/// GitHub has no two labels in a repository that differ in case only.
pub(super) fn is_same_label(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
