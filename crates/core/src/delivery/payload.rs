//! The shapes of GitHub's JSON, as far as they are read. Fields that are not
//! named here are skipped; those that are checked by a type are checked while
//! reading.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::policy::{Login, PullState};
use crate::{BranchName, CommitSha, PullNumber, RepoName, repo::BranchNameError};

/// What is read first, to know whether the rest matters.
#[derive(Deserialize)]
pub(super) struct Action {
    pub(super) action: String,
}

#[derive(Deserialize)]
pub(super) struct PullRequestPayload {
    pub(super) pull_request: PullRequest,
    pub(super) label: Option<Label>,
    pub(super) repository: Repository,
    pub(super) sender: User,
}

#[derive(Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: PullNumber,
    pub(super) state: PullState,
    pub(super) draft: bool,
    pub(super) merged: bool,
    pub(super) updated_at: Timestamp,
    pub(super) user: Option<User>,
    pub(super) head: Side,
    pub(super) base: Side,
    pub(super) labels: Vec<Label>,
}

#[derive(Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref", deserialize_with = "branch")]
    pub(super) branch: Result<BranchName, BranchNameError>,
    pub(super) sha: CommitSha,
    /// Null when the fork was deleted.
    pub(super) repo: Option<Repository>,
}

/// A branch that no [`BranchName`] can be is still one on GitHub.
fn branch<'de, D: Deserializer<'de>>(input: D) -> Result<Result<BranchName, BranchNameError>, D::Error> {
    String::deserialize(input).map(|text| text.parse())
}

#[derive(Deserialize)]
pub(super) struct CommentPayload {
    pub(super) issue: Issue,
    pub(super) comment: Comment,
    pub(super) repository: Repository,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    pub(super) number: PullNumber,
    /// There when the issue is a pull request.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    /// Null when the account was deleted.
    pub(super) user: Option<User>,
    pub(super) body: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Repository {
    pub(super) full_name: RepoName,
}

#[derive(Deserialize)]
pub(super) struct User {
    pub(super) login: Login,
}

#[derive(Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}
