//! The one comment that a pull request gets, edited in place.
//!
//! Much of what it shows was written by strangers: names of units, reasons,
//! logs. None of it can change the comment's form, mention anybody, or pretend
//! to be Berth's own words: it stands in code spans and in one fence.
//!
//! The caller [scrubs](scrub()) secrets before it cuts a log to its last lines,
//! so that no half of one is left.

mod scrub;
mod text;
mod unmet;

use std::fmt::Write as _;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

pub use self::scrub::scrub;
use self::text::{code_block, code_span};
pub use self::unmet::explained;
use crate::policy::{Hold, Refusal};
use crate::{CommitSha, RepoName};

/// What tells Berth's comment among others, together with its author. It comes
/// first and is not seen.
///
/// A comment that begins so holds no command, whoever wrote it: Berth's own
/// account may well have write permission.
pub const MARKER: &str = "<!-- berth:preview -->";

/// The most characters that GitHub takes; here of bytes, which are more.
pub const LENGTH_MAX: usize = 65_536;

/// How many of a log's last lines are shown.
pub const LOG_LINES: usize = 30;

/// What a comment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommentState {
    /// The work waits for its turn.
    Queued {
        /// The commit to come.
        commit: CommitSha,
    },
    /// The work goes on.
    Building {
        /// The commit to come.
        commit: CommitSha,
        /// Since when.
        since: Timestamp,
    },
    /// The preview answers.
    Ready {
        /// What is deployed.
        commit: CommitSha,
        /// Where; the main address first.
        links: Vec<Link>,
        /// How long it took; nothing when that is not known any more.
        took: Option<SignedDuration>,
        /// When it was done.
        at: Timestamp,
    },
    /// The work failed.
    Failed {
        /// What was to be deployed.
        commit: CommitSha,
        /// What failed: a unit, or a step.
        what: String,
        /// Why, in a sentence.
        reason: String,
        /// What it said, scrubbed; its last lines are shown.
        log: String,
        /// What is served meanwhile, if anything is.
        still: Option<CommitSha>,
        /// When.
        at: Timestamp,
    },
    /// Nothing is built before somebody approves it.
    Held(Hold),
    /// There is no preview, for this reason.
    Refused(Refusal),
    /// The preview is gone.
    Removed {
        /// When.
        at: Timestamp,
    },
}

/// An address that a comment may lead to: `http` or `https`, and nothing in it
/// that means something to Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no address: it needs `https://` and a host, and only `A-Za-z0-9.:/_~%-`")]
pub struct LinkError(String);

impl Link {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_link = text.len() <= 1000
            && rest.is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b".:/_~%-".contains(&b))
            });
        let shown = || text.chars().take(100).collect::<String>().escape_debug().to_string();
        is_link.then(|| Self(text.to_owned())).ok_or_else(|| LinkError(shown()))
    }
}

/// The text of the comment. Also [`explained`] it has at most [`LENGTH_MAX`]
/// bytes.
pub fn render(state: &CommentState) -> String {
    let (title, body) = match state {
        CommentState::Queued { commit } => {
            ("queued", format!("Commit {} waits for its turn.\n", short(commit)))
        }
        CommentState::Building { commit, since } => {
            let body = format!("Building and starting commit {} since {}.\n", short(commit), moment(*since));
            ("building", body)
        }
        CommentState::Ready { commit, links, took, at } => ("ready", ready(commit, links, *took, *at)),
        CommentState::Failed { commit, what, reason, log, still, at } => {
            ("failed", failed(commit, (what, reason), log, still.as_ref(), *at))
        }
        CommentState::Held(hold) => ("waiting for approval", held(hold)),
        CommentState::Refused(why) => ("none", format!("There is no preview: {}.\n", refusal(why))),
        CommentState::Removed { at } => ("removed", format!("The preview was removed on {}.\n", moment(*at))),
    };
    format!("{MARKER}\n### Preview: {title}\n\n{body}")
}

fn ready(commit: &CommitSha, links: &[Link], took: Option<SignedDuration>, at: Timestamp) -> String {
    let mut body = String::new();
    for link in links {
        let _ = writeln!(body, "- <{}>", link.as_str());
    }
    if !links.is_empty() {
        body.push('\n');
    }
    let took = took.map(|took| format!(" in {}", duration(took))).unwrap_or_default();
    let _ = writeln!(body, "Commit {}, deployed{took} on {}.", short(commit), moment(at));
    body
}

fn failed(
    commit: &CommitSha,
    (what, reason): (&str, &str),
    log: &str,
    still: Option<&CommitSha>,
    at: Timestamp,
) -> String {
    let mut body = format!("{} failed for commit {} on {}", code_span(what), short(commit), moment(at));
    if reason.trim().is_empty() {
        body.push_str(".\n");
    } else {
        let _ = writeln!(body, ":\n\n> {}", code_span(reason));
    }
    if let Some(still) = still {
        let _ = write!(body, "\nThe preview still serves commit {}.\n", short(still));
    }
    if let Some((count, block)) = code_block(log, LOG_LINES) {
        let lines = if count == 1 { "the last line".to_owned() } else { format!("the last {count} lines") };
        let _ = write!(body, "\n<details>\n<summary>Log: {lines}</summary>\n\n{block}\n</details>\n");
    }
    body.push_str("\nA new push tries again, and so does a comment with `/preview rebuild`.\n");
    body
}

/// The line to paste stands in a quotation: no line of this text is itself the
/// command.
fn held(hold: &Hold) -> String {
    let from = hold.fork.as_ref().map_or_else(|| "a fork that was deleted".to_owned(), repository);
    format!(
        "This pull request comes from {from}, so nothing of it is built until somebody with write permission has \
         looked at it. To approve commit {}, comment:\n\n> `/preview {}`\n\nEach push needs a new approval. The \
         preview gets no secrets.\n",
        short(&hold.commit),
        hold.commit
    )
}

fn refusal(why: &Refusal) -> String {
    match why {
        Refusal::Repository | Refusal::Branch => why.to_string(),
        Refusal::Label { label } => format!("the pull request carries the label {}", code_span(label)),
        Refusal::Draft { label } => format!(
            "the pull request is a draft. Mark it as ready for review, or set the label {}",
            code_span(label)
        ),
    }
}

fn repository(repo: &RepoName) -> String {
    format!("`{repo}`")
}

fn short(commit: &CommitSha) -> String {
    format!("`{}`", commit.short())
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A span of time as people say it: never more than two units.
fn duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
