//! GitHub: pull requests, what people may do, comments, deployments and tokens.
//!
//! What decides about a preview is asked here, at the moment it is decided; a
//! webhook's payload only says when to ask. An answer that is not understood is
//! an error and never an empty answer: what has no open pull request is removed.
//!
//! No redirect is followed. GitHub sends one when a repository was renamed or
//! handed to somebody else, and then the operator has to look.

mod answers;
mod app_key;
mod error;
#[cfg(any(test, feature = "fake"))]
pub(crate) mod fake;
mod http;
mod limits;
mod on_demand;
mod real;
mod tokens;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use berth_core::comment::Link;
pub use berth_core::config::{ApiBase, AppId, AppIdError};
use berth_core::policy::{Login, Owner, Permission, Pull};
use berth_core::{CommitSha, PullNumber, RepoName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::repos::Token;

pub use self::app_key::{AppKey, AppKeyError};
pub use self::error::GitHubError;
#[cfg(any(test, feature = "fake"))]
pub use self::fake::{FakeComment, FakeDeployment, FakeGitHub};
pub use self::on_demand::{OnDemand, OpenGitHubError};
pub use self::real::{Clock, Credentials, GitHubApi, GitHubOptions};

/// GitHub, as Berth uses it.
#[async_trait]
pub trait GitHub: Send + Sync {
    /// The repositories of an account that Berth can see: those where the App
    /// is installed, or those of the personal token. Archived ones are left
    /// out.
    async fn repositories(&self, owner: &Owner) -> Result<BTreeSet<RepoName>, GitHubError>;

    /// All open pull requests to a repository, by number.
    ///
    /// The list comes in pages, and one may slip between two of them: before a
    /// preview is removed because its pull request is not in the list, ask for
    /// that one with [`pull`](Self::pull).
    async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<Pull>, GitHubError>;

    /// One pull request, open or not; nothing when the repository is there and
    /// has none of this number.
    ///
    /// Its `repo` is the name that GitHub has for the repository.
    async fn pull(&self, repo: &RepoName, number: PullNumber) -> Result<Option<Pull>, GitHubError>;

    /// What somebody may do in a repository.
    async fn permission(&self, repo: &RepoName, user: &Login) -> Result<Permission, GitHubError>;

    /// Makes this the text of Berth's one comment on a pull request: edits the
    /// known one, or else the one that [begins with the marker] and is Berth's
    /// own, or else writes it. Tells which it is.
    ///
    /// [begins with the marker]: berth_core::comment::MARKER
    async fn put_comment(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        known: Option<CommentId>,
        text: &str,
    ) -> Result<CommentId, GitHubError>;

    /// Puts Berth's reaction on a comment of somebody's, to answer it without a
    /// word. The same one there already is success.
    ///
    /// The API has comments on pull requests below `issues`, and yet asks an
    /// App for `pull_requests: write` here, by what the comment is on;
    /// `issues: write` alone is refused. That is the permission with which
    /// Berth comments: it needs no other one for this.
    async fn react(&self, repo: &RepoName, comment: CommentId, reaction: Reaction)
    -> Result<(), GitHubError>;

    /// The deployment of a commit to an environment: the newest one that Berth
    /// made, or a new one.
    async fn deployment(
        &self,
        repo: &RepoName,
        commit: &CommitSha,
        environment: &Environment,
    ) -> Result<DeploymentId, GitHubError>;

    /// Sets what a deployment has come to. GitHub makes the earlier ones of the
    /// environment inactive when one succeeds.
    async fn set_deployment(
        &self,
        repo: &RepoName,
        deployment: DeploymentId,
        status: &DeploymentStatus,
    ) -> Result<(), GitHubError>;

    /// Makes all of Berth's deployments to an environment inactive and deletes
    /// them. Gone already is success.
    async fn remove_deployments(&self, repo: &RepoName, environment: &Environment)
    -> Result<(), GitHubError>;

    /// What git shows to read this repository, and, with an App, no other.
    async fn token_for(&self, repo: &RepoName) -> Result<Token, GitHubError>;

    /// Another one, after git was refused this one: an App's ends before its
    /// time when its installation is changed. Nothing where there is only one.
    async fn other_token_for(&self, repo: &RepoName, refused: &Token) -> Result<Option<Token>, GitHubError>;
}

/// The number of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommentId(pub u64);

/// What Berth answers a comment with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// A thumb up: what the comment asks for is done.
    ThumbUp,
    /// A confused face: it is not.
    Confused,
}

impl Reaction {
    /// GitHub's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ThumbUp => "+1",
            Self::Confused => "confused",
        }
    }
}

/// The number of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub u64);

/// The name of an environment, such as `preview/site-7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment(String);

/// A text that is no name of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no environment: take 1 to 255 of `a-z`, `0-9`, `.`, `_`, `/` and `-`")]
pub struct EnvironmentError(String);

impl Environment {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Environment {
    type Err = EnvironmentError;

    fn from_str(text: &str) -> Result<Self, EnvironmentError> {
        let is_name = (1..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._/-".contains(&b));
        is_name
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| EnvironmentError(text.escape_debug().to_string()))
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a deployment has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// Where it stands.
    pub state: DeploymentState,
    /// Where more is told.
    pub log: Option<Link>,
    /// One sentence; GitHub takes 140 characters, and what is longer is cut.
    pub description: String,
}

/// Where a deployment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    InProgress,
    /// It answers, here.
    Success(Link),
    /// It failed.
    Failure,
    /// It is gone.
    Inactive,
}

impl DeploymentState {
    /// GitHub's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Success(_) => "success",
            Self::Failure => "failure",
            Self::Inactive => "inactive",
        }
    }
}
