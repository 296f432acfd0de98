//! What a delivery means.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

use super::payload::{Action, CommentPayload, PullRequestPayload};
use super::{BODY_MAX, Command, ContentType, EventName};
use crate::policy::{Login, PullState};
use crate::repo::BranchNameError;
use crate::{BranchName, CommitSha, PullNumber, RepoName};

/// The most labels that are taken; GitHub allows 100.
const LABELS_MAX: usize = 200;
/// The most bytes of a label; GitHub allows 50 characters.
const LABEL_MAX: usize = 400;
/// The most bytes of an unknown action that are kept.
const ACTION_MAX: usize = 64;

/// What a delivery tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The webhook was set up.
    Ping,
    /// Something happened to a pull request.
    PullRequest(Box<PullRequestEvent>),
    /// Somebody wrote a command on a pull request.
    Comment(CommentEvent),
    /// Nothing that matters here.
    Ignored(Ignored),
}

/// Why a delivery does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Ignored {
    /// Nobody asked for this event.
    #[error("the event `{0}` means nothing here")]
    Event(EventName),
    /// The event matters with other actions only.
    #[error("the event `{event}` with the action `{action}` means nothing here")]
    Action {
        /// The event.
        event: EventName,
        /// The action, escaped and cut.
        action: String,
    },
    /// A comment on an issue that is no pull request.
    #[error("the comment is not on a pull request")]
    Issue,
    /// A comment without a command, or whose author is gone.
    #[error("the comment has no command")]
    Talk,
}

/// A change of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestEvent {
    /// What happened.
    pub action: PullRequestAction,
    /// The repository that the pull request is in.
    pub repo: RepoName,
    /// Its number.
    pub number: PullNumber,
    /// The commit that it offers: this one identifies the code.
    pub head: CommitSha,
    /// The branch of that commit, in the head's repository. A branch that no
    /// [`BranchName`] can be comes as the reason, to be told on the pull
    /// request.
    pub head_branch: Result<BranchName, BranchNameError>,
    /// The repository of that branch; none when the fork was deleted.
    pub head_repo: Option<RepoName>,
    /// The branch that it should be merged into.
    pub base_branch: Result<BranchName, BranchNameError>,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Whether it was merged; then it is closed too.
    pub is_merged: bool,
    /// Whether it is open.
    pub state: PullState,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// The label that was put on or taken off, with those two actions.
    pub label: Option<String>,
    /// Who opened it; none when the account was deleted.
    pub author: Option<Login>,
    /// Who did what happened. Whether they may, only the API knows.
    pub sender: Login,
    /// When GitHub last changed it, in whole seconds: deliveries come in any
    /// order.
    pub updated_at: Timestamp,
}

impl PullRequestEvent {
    /// Whether the code is from another repository, which may be gone.
    pub fn is_fork(&self) -> bool {
        self.head_repo.as_ref() != Some(&self.repo)
    }
}

/// What happened to a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestAction {
    /// It was opened.
    Opened,
    /// It was opened again.
    Reopened,
    /// Its head moved.
    Synchronize,
    /// It was closed or merged.
    Closed,
    /// It got a label.
    Labeled,
    /// It lost a label.
    Unlabeled,
    /// Its title, text or base changed.
    Edited,
    /// It is no draft any more.
    ReadyForReview,
    /// It is a draft now.
    ConvertedToDraft,
}

/// A command in a new comment on a pull request.
///
/// A changed comment is none: the payload names who wrote it, not whose words
/// they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentEvent {
    /// The repository of the pull request.
    pub repo: RepoName,
    /// Its number. Which commit was its head, the comment does not say.
    pub number: PullNumber,
    /// The id of the comment, for a reaction to it.
    pub comment_id: u64,
    /// Who wrote it. Whether they may command, only the API knows.
    pub author: Login,
    /// What they command.
    pub command: Command,
}

/// Why a body is not what GitHub sends. Sources of these errors may quote the
/// body: they are for logs at most, not for who sent it.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// The body is too long.
    #[error("the body has more than {BODY_MAX} bytes")]
    Body,
    /// The form does not have the field `payload` exactly once.
    #[error("the form must have the field `payload` once")]
    Form,
    /// The JSON text is not valid, or lacks a field that the event has.
    #[error("the payload is not that of `{event}`")]
    Json {
        /// The event.
        event: EventName,
        /// Where and why.
        source: serde_json::Error,
    },
    /// There are more labels, or longer ones, than GitHub has.
    #[error("the pull request has more or longer labels than GitHub allows")]
    Labels,
}

impl Event {
    /// Reads the body of a delivery. Verify its signature first.
    ///
    /// Unknown events and actions are ignored before the rest of the payload
    /// is looked at: GitHub adds some every year.
    pub fn parse(event: &EventName, content_type: ContentType, body: &[u8]) -> Result<Self, PayloadError> {
        if body.len() > BODY_MAX {
            return Err(PayloadError::Body);
        }
        let json = match content_type {
            ContentType::Json => Cow::Borrowed(body),
            ContentType::Form => field(body)?,
        };
        match event.as_str() {
            "ping" => read::<serde::de::IgnoredAny>(event, &json).map(|_| Self::Ping),
            "pull_request" => pull_request(event, &json),
            "issue_comment" => comment(event, &json),
            _ => {
                read::<serde::de::IgnoredAny>(event, &json)?;
                Ok(Self::Ignored(Ignored::Event(event.clone())))
            }
        }
    }
}

/// The field `payload` of a form.
fn field(body: &[u8]) -> Result<Cow<'_, [u8]>, PayloadError> {
    let mut found = form_urlencoded::parse(body).filter(|(name, _)| name == "payload");
    match (found.next(), found.next()) {
        (Some((_, text)), None) => Ok(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }),
        _ => Err(PayloadError::Form),
    }
}

fn read<'a, T: Deserialize<'a>>(event: &EventName, json: &'a [u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(json).map_err(|source| PayloadError::Json { event: event.clone(), source })
}

fn pull_request(event: &EventName, json: &[u8]) -> Result<Event, PayloadError> {
    let Action { action: word } = read(event, json)?;
    let Some(action) = action_of(&word) else { return Ok(other_action(event, &word)) };
    let PullRequestPayload { pull_request: pull, label, repository, sender } = read(event, json)?;
    let labels: Vec<String> = pull.labels.into_iter().map(|label| label.name).collect();
    let label = label.map(|label| label.name);
    if labels.len() > LABELS_MAX || labels.iter().chain(&label).any(|label| label.len() > LABEL_MAX) {
        return Err(PayloadError::Labels);
    }
    Ok(Event::PullRequest(Box::new(PullRequestEvent {
        action,
        repo: repository.full_name,
        number: pull.number,
        head: pull.head.sha,
        head_branch: pull.head.branch,
        head_repo: pull.head.repo.map(|repo| repo.full_name),
        base_branch: pull.base.branch,
        is_draft: pull.draft,
        is_merged: pull.merged,
        state: pull.state,
        labels,
        label,
        author: pull.user.map(|user| user.login),
        sender: sender.login,
        updated_at: pull.updated_at,
    })))
}

fn action_of(word: &str) -> Option<PullRequestAction> {
    let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word);
    PullRequestAction::deserialize(word).ok()
}

fn other_action(event: &EventName, word: &str) -> Event {
    let action = word.escape_debug().to_string().chars().take(ACTION_MAX).collect();
    Event::Ignored(Ignored::Action { event: event.clone(), action })
}

fn comment(event: &EventName, json: &[u8]) -> Result<Event, PayloadError> {
    let Action { action } = read(event, json)?;
    if action != "created" {
        return Ok(other_action(event, &action));
    }
    let CommentPayload { issue, comment, repository } = read(event, json)?;
    if issue.pull_request.is_none() {
        return Ok(Event::Ignored(Ignored::Issue));
    }
    let command = comment.body.as_deref().and_then(Command::parse);
    let (Some(command), Some(author)) = (command, comment.user) else {
        return Ok(Event::Ignored(Ignored::Talk));
    };
    Ok(Event::Comment(CommentEvent {
        repo: repository.full_name,
        number: issue.number,
        comment_id: comment.id,
        author: author.login,
        command,
    }))
}
