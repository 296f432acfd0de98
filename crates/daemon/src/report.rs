//! Telling GitHub: the comment on the pull request, the deployment, and whoever
//! wrote a command.
//!
//! What cannot be told fails no deployment. The lane records what was told
//! last, and the comparison makes lanes dirty of which something else is so.

mod answer;
mod resting;

use std::sync::Arc;
use std::time::Duration;

use berth_core::comment::{CommentState, Link, render};
use berth_core::{CommitSha, PullNumber};
use berth_host::github::{
    CommentId, DeploymentId, DeploymentState, DeploymentStatus, Environment, GitHub, GitHubError,
};
use berth_host::state::{LaneRecord, State, StateError, Told};
use jiff::Timestamp;

use self::answer::Refusals;
pub use self::resting::Resting;
pub(crate) use self::resting::is_over;
use self::resting::{REMOVED, key};
use crate::chain;

/// Nobody waits longer for GitHub to be told.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells GitHub.
pub struct Reporter {
    state: State,
    github: Arc<dyn GitHub>,
    now: fn() -> Timestamp,
    refusals: Refusals,
}

/// The addresses that can be shown.
pub(crate) fn links(urls: &[String]) -> Vec<Link> {
    urls.iter().filter_map(|url| url.parse().ok()).collect()
}

/// One for each pull request of a repository.
fn environment(pull: PullNumber) -> Environment {
    format!("preview/{pull}").parse().expect("letters, a slash and digits")
}

impl Reporter {
    /// Tells this GitHub, and records what was told.
    pub fn new(state: State, github: Arc<dyn GitHub>, now: fn() -> Timestamp) -> Self {
        Self { state, github, now, refusals: Refusals::default() }
    }

    /// Tells how it is with a pull request.
    pub async fn tell(&self, record: &LaneRecord, state: CommentState) {
        let began = (self.now)();
        let told = tokio::time::timeout(PATIENCE, self.try_tell(record, &state)).await;
        let reason = match told {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => reason,
            Err(_) => format!("no answer since {began}"),
        };
        tracing::warn!(repo = %record.repo, pull = %record.pull, reason, "GitHub could not be told");
    }

    /// There is nowhere to tell anything of this lane any more: what was asked
    /// for on it is forgotten, and nothing counts as untold.
    pub async fn give_up(&self, record: &LaneRecord) -> Result<(), StateError> {
        let wishes: Vec<i64> = self.state.wishes(record.id).await?.iter().map(|wish| wish.id).collect();
        self.state.forget_wishes(&wishes).await?;
        let reported = Some(REMOVED.to_owned());
        let told = Told { reported, deployment: None, ..record.told.clone() };
        self.state.set_told(record.id, &told).await
    }

    async fn try_tell(&self, record: &LaneRecord, state: &CommentState) -> Result<(), String> {
        // Newer than what the caller has seen: it may have told twice.
        let told = self.state.lane(record.id).await.map_err(|error| chain(&error))?;
        let Some(LaneRecord { mut told, .. }) = told else { return Ok(()) };
        let (known, text) = (told.comment.map(CommentId), render(state));
        let comment = self.github.put_comment(&record.repo, record.pull, known, &text).await;
        let deployed = match comment {
            Ok(comment) => {
                (told.comment, told.text) = (Some(comment.0), Some(text));
                self.deployment(record, state, &mut told).await
            }
            Err(error) => Err(error),
        };
        told.reported = deployed.is_ok().then(|| key(state));
        self.state.set_told(record.id, &told).await.map_err(|error| chain(&error))?;
        deployed.map_err(|error| chain(&error))
    }

    async fn deployment(
        &self,
        record: &LaneRecord,
        state: &CommentState,
        told: &mut Told,
    ) -> Result<(), GitHubError> {
        let (commit, state, description) = match state {
            CommentState::Queued { commit } => (commit, DeploymentState::Queued, "waits for its turn"),
            CommentState::Building { commit, .. } => (commit, DeploymentState::InProgress, "is built"),
            CommentState::Failed { commit, what, .. } => (commit, DeploymentState::Failure, what.as_str()),
            CommentState::Ready { commit, links, .. } => match links.first() {
                Some(link) => (commit, DeploymentState::Success(link.clone()), "answers"),
                None => return Ok(()),
            },
            CommentState::Held(_) => return Ok(()),
            CommentState::Refused(_) | CommentState::Removed { .. } => {
                told.deployment = None;
                return self.github.remove_deployments(&record.repo, &environment(record.pull)).await;
            }
        };
        let deployment = self.ask_deployment(record, commit).await?;
        told.deployment = Some(deployment.0);
        let status = DeploymentStatus { state, log: None, description: description.to_owned() };
        self.github.set_deployment(&record.repo, deployment, &status).await
    }

    async fn ask_deployment(
        &self,
        record: &LaneRecord,
        commit: &CommitSha,
    ) -> Result<DeploymentId, GitHubError> {
        self.github.deployment(&record.repo, commit, &environment(record.pull)).await
    }
}
