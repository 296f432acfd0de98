//! What should have been told of a lane at rest.

use berth_core::CommitSha;
use berth_core::comment::CommentState;
use berth_core::lane::{Lane, SiteState};
use berth_core::policy::{Refusal, Verdict};
use berth_host::state::Told;
use jiff::Timestamp;

use super::links;
use crate::deploy::Found;

/// A lane of which nothing is to be done.
pub struct Resting<'a> {
    /// The head of the pull request.
    pub head: &'a CommitSha,
    /// What should become of it.
    pub verdict: &'a Verdict,
    /// The lane.
    pub lane: &'a Lane,
    /// The preview that there is.
    pub found: Option<&'a Found>,
}

/// What is recorded of a lane whose preview is gone for good.
pub(super) const REMOVED: &str = "removed";

/// Whether it was told last that there is no preview and will be none.
pub(crate) fn is_over(told: &Told) -> bool {
    let no_previews = key(&CommentState::Refused(Refusal::Repository));
    told.reported.as_ref().is_some_and(|reported| reported == REMOVED || *reported == no_previews)
}

/// What tells apart what was told, without the times in it.
pub(super) fn key(state: &CommentState) -> String {
    match state {
        CommentState::Queued { commit } => format!("queued {commit}"),
        CommentState::Building { commit, .. } => format!("building {commit}"),
        CommentState::Ready { commit, .. } => format!("ready {commit}"),
        CommentState::Failed { commit, .. } => format!("failed {commit}"),
        CommentState::Held(hold) => format!("held {}", hold.commit),
        CommentState::Refused(why) => format!("refused {why}"),
        CommentState::Removed { .. } => REMOVED.to_owned(),
    }
}

impl Resting<'_> {
    /// What is to be told, if it has not been.
    pub fn untold(&self, told: &Told, now: Timestamp) -> Option<CommentState> {
        let state = self.state(now)?;
        // Who never heard of a preview needs not hear that there is none.
        let says_nothing_new = match &state {
            CommentState::Removed { .. } | CommentState::Refused(Refusal::Repository) => {
                told.comment.is_none()
            }
            CommentState::Queued { .. }
            | CommentState::Building { .. }
            | CommentState::Ready { .. }
            | CommentState::Failed { .. }
            | CommentState::Held(_)
            | CommentState::Refused(_) => false,
        };
        (!says_nothing_new && told.reported.as_ref() != Some(&key(&state))).then_some(state)
    }

    fn state(&self, now: Timestamp) -> Option<CommentState> {
        let commit = self.head.clone();
        match self.verdict {
            Verdict::Remove => Some(CommentState::Removed { at: now }),
            Verdict::Refuse { why } => Some(CommentState::Refused(why.clone())),
            Verdict::Hold { why } => Some(CommentState::Held(why.clone())),
            Verdict::Deploy { .. } if self.lane.suppressed.as_ref() == Some(self.head) => {
                Some(CommentState::Removed { at: now })
            }
            Verdict::Deploy { .. } => {
                let serving = self.found.filter(|found| found.site.state == SiteState::Serves);
                let served = serving.and_then(|found| found.site.commit.as_ref());
                if let Some(found) = serving.filter(|_| served == Some(self.head)) {
                    let at = found.deployed_at.unwrap_or(now);
                    let links = links(&found.urls);
                    return Some(CommentState::Ready { commit, links, took: None, at });
                }
                let reason = self.lane.error.clone().filter(|_| self.lane.refused.is_some())?;
                let (what, log) = ("the deployment".to_owned(), String::new());
                Some(CommentState::Failed { commit, what, reason, log, still: served.cloned(), at: now })
            }
        }
    }
}
