//! From what should be and what is to what is done next.

use super::Lane;
use crate::CommitSha;
use crate::policy::Verdict;

/// The preview that a pull request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// What it serves, if anything.
    pub commit: Option<CommitSha>,
    /// Whether it may have secrets of the host.
    pub is_trusted: bool,
    /// How it is.
    pub state: SiteState,
}

/// How a preview is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteState {
    /// It serves its commit.
    Serves,
    /// It has failed.
    Failed,
    /// Somebody works on it, or was killed while they did.
    HalfWay,
}

/// What is done next for a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: all is as it should be, or waits for somebody.
    Rest,
    /// Its first deployment.
    Create {
        /// Whether it may have secrets of the host.
        is_trusted: bool,
    },
    /// A deployment of what is newer.
    Update {
        /// Whether it gets a new container where the old one would do.
        is_forced: bool,
    },
    /// It goes.
    Destroy,
    /// It goes, and is then made again with less trust.
    Replace,
}

/// Decides what is done next for a pull request with this head.
pub fn step(lane: &Lane, head: &CommitSha, verdict: &Verdict, site: Option<&Site>) -> Step {
    let is_suppressed = lane.suppressed.as_ref() == Some(head);
    let is_trusted = match verdict {
        // What was approved before stays while a newer commit is held, unless
        // somebody had it removed, but not with secrets that an approved
        // stranger never gets.
        Verdict::Hold { .. } => {
            let is_to_go = is_suppressed || site.is_some_and(|site| site.is_trusted);
            return if is_to_go { gone(site) } else { Step::Rest };
        }
        Verdict::Refuse { .. } | Verdict::Remove => return gone(site),
        Verdict::Deploy { is_trusted } => *is_trusted,
    };
    if is_suppressed {
        return gone(site);
    }
    let is_refused = lane.refused.as_ref() == Some(head) && lane.forced.is_none();
    let Some(site) = site else {
        return if is_refused { Step::Rest } else { Step::Create { is_trusted } };
    };
    if site.is_trusted && !is_trusted {
        return Step::Replace;
    }
    let serves_head = site.state == SiteState::Serves && site.commit.as_ref() == Some(head);
    if (serves_head && lane.forced.is_none()) || is_refused {
        return Step::Rest;
    }
    Step::Update { is_forced: lane.forced.is_some() }
}

fn gone(site: Option<&Site>) -> Step {
    if site.is_some() { Step::Destroy } else { Step::Rest }
}
