//! Lanes: the work of one pull request, one thing after another.
//!
//! A delivery is a hint and GitHub's API is the truth. So a lane keeps no queue
//! of events: what is heard makes it *dirty* (`generation` grows), and whoever
//! works on it asks how the pull request is now, decides, and when that is done
//! writes down which generation it had seen. Order, repetition, delay and loss
//! of deliveries change nothing then, and however much is heard while a lane is
//! worked on, one more round deals with all of it.
//!
//! Only what cannot be asked for later is kept of an event, as a [`Wish`]: that
//! somebody approved this commit, wants the preview made anew, or gone.

mod step;
mod wish;

use jiff::{SignedDuration, Timestamp};

pub use self::step::{Site, SiteState, Step, step};
pub use self::wish::{Answer, Granted, NotGranted, Unmet, Wish};
use crate::CommitSha;
use crate::policy::Approval;

/// After news a lane that waits for its next attempt waits no longer than this:
/// what was pushed may be the cure. Not at once, or a storm of deliveries would
/// undo the pauses.
const NEWS_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// What is kept of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Grows with everything that is heard.
    pub generation: u64,
    /// The generation that was dealt with: the lane is dirty while it is less.
    pub done: u64,
    /// How often the work came to nothing since it last came to something.
    pub attempts: u32,
    /// How often in a row GitHub could not be asked about it.
    pub unasked: u32,
    /// When it is tried again, after it came to nothing.
    pub next_at: Option<Timestamp>,
    /// Whether it came to nothing so often that it waits for somebody.
    pub is_dead: bool,
    /// Why it came to nothing the last time.
    pub error: Option<String>,
    /// Approvals of one commit, of which the newest was given last.
    pub approvals: Vec<Approval>,
    /// The commit whose preview somebody had removed.
    pub suppressed: Option<CommitSha>,
    /// The commit that cannot be deployed, whatever Berth does.
    pub refused: Option<CommitSha>,
    /// The generation at which somebody asked for the preview to be made anew,
    /// once.
    pub forced: Option<u64>,
}

/// What made somebody look at a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A delivery: something has happened on GitHub.
    Delivery,
    /// The comparison found the preview different from the pull request.
    Comparison,
    /// A person wants it tried again.
    Retry,
}

/// How the work on a lane ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The preview is as it should be, after work.
    Done,
    /// There was nothing to do, or it waits for somebody.
    Rested,
    /// This commit cannot be deployed: the next push may change that, or a
    /// person.
    Refused {
        /// The commit.
        commit: CommitSha,
        /// Why.
        error: String,
    },
    /// It may go well the next time.
    Failed {
        /// Why.
        error: String,
    },
    /// It cannot be tried before this moment, which is nobody's fault.
    Wait {
        /// When it may be tried.
        until: Timestamp,
        /// Why.
        error: String,
    },
    /// GitHub could not be asked, so nothing was tried: the lane waits ever
    /// longer, and is never given up for that.
    Unasked {
        /// Why.
        error: String,
    },
    /// It was cut short on purpose: the lane stays as dirty as it was.
    CutShort,
}

/// How often and how soon work is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// So many attempts are made.
    pub most: u32,
    /// Before the second one; each later pause is twice as long.
    pub first: SignedDuration,
    /// No pause is longer.
    pub longest: SignedDuration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { most: 10, first: SignedDuration::from_secs(1), longest: SignedDuration::from_mins(10) }
    }
}

impl Retries {
    /// The pause after so many attempts. `jitter`, from 0 to 1, spreads what
    /// failed together: the pause is between three and five quarters of itself.
    pub fn pause(&self, attempts: u32, jitter: f64) -> SignedDuration {
        let doublings = attempts.saturating_sub(1).min(30);
        let pause = self.first.checked_mul(1 << doublings).unwrap_or(self.longest).min(self.longest);
        pause.mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

impl Lane {
    /// Something was heard.
    pub fn hear(&mut self, news: News, now: Timestamp) {
        self.generation += 1;
        match news {
            News::Delivery | News::Retry if self.is_dead => self.begin_anew(),
            News::Retry => self.begin_anew(),
            News::Delivery => self.next_at = self.next_at.map(|at| at.min(now + NEWS_PAUSE)),
            // What failed is not tried faster because nothing has changed.
            News::Comparison => {}
        }
        if news == News::Retry {
            self.refused = None;
        }
    }

    fn begin_anew(&mut self) {
        self.attempts = 0;
        self.unasked = 0;
        self.next_at = None;
        self.is_dead = false;
    }

    /// Whether something was heard that nobody has dealt with.
    pub fn is_dirty(&self) -> bool {
        self.done < self.generation
    }

    /// Whether there is work to do now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.is_dirty() && !self.is_dead && self.next_at.is_none_or(|at| at <= now)
    }

    /// What somebody was allowed to ask for, as seen at this generation.
    pub fn grant(&mut self, granted: Granted, generation: u64) {
        match granted {
            Granted::Approved(approval) => {
                self.approvals.retain(|one| one.commit == approval.commit && *one != approval);
                self.approvals.push(approval);
                self.suppressed = None;
            }
            Granted::Deploy => {
                self.suppressed = None;
                self.refused = None;
            }
            Granted::Rebuild => {
                self.suppressed = None;
                self.refused = None;
                self.forced = Some(generation);
            }
            Granted::Destroy(commit) => {
                self.suppressed = Some(commit);
                self.forced = None;
            }
        }
    }

    /// The work ended that had begun at this generation.
    pub fn end(&mut self, generation: u64, end: End, retries: &Retries, now: Timestamp, jitter: f64) {
        if !matches!(end, End::Unasked { .. } | End::Wait { .. } | End::CutShort) {
            self.unasked = 0;
        }
        match end {
            End::Done => {
                self.settle(generation);
                self.error = None;
                self.refused = None;
            }
            End::Rested => {
                self.settle(generation);
                if self.refused.is_none() {
                    self.error = None;
                }
            }
            End::Refused { commit, error } => {
                self.settle(generation);
                self.error = Some(error);
                self.refused = Some(commit);
            }
            End::Failed { error } => {
                self.attempts += 1;
                self.next_at = Some(now + retries.pause(self.attempts, jitter));
                self.is_dead = self.attempts >= retries.most;
                self.error = Some(error);
            }
            End::Wait { until, error } => {
                self.next_at = Some(until.max(now));
                self.error = Some(error);
            }
            End::Unasked { error } => {
                self.unasked += 1;
                self.next_at = Some(now + retries.pause(self.unasked, jitter));
                self.error = Some(error);
            }
            End::CutShort => {}
        }
    }

    fn settle(&mut self, generation: u64) {
        self.done = self.done.max(generation);
        // What was asked for while the work was going on is still to be done.
        self.forced = self.forced.filter(|asked| *asked > generation);
        self.begin_anew();
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
