//! Answering those who write commands.
//!
//! The comment of each command gets a reaction, as soon as somebody has looked
//! into it. The newest that was refused is explained too, with a line in
//! Berth's own comment, once the lane is at rest: until then that comment
//! changes anyway. Anybody may write commands, so they get no comment of
//! Berth's where there is none, never more than that line, and no more answers
//! in a minute than GitHub takes without a word.
//!
//! What is to be answered is recorded; what GitHub does not take is told in the
//! log and not tried for ever.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use berth_core::comment::explained;
use berth_core::lane::{Answer, Unmet};
use berth_host::github::{CommentId, Reaction};
use berth_host::state::{KeptAnswer, LaneRecord, StateError};
use jiff::{SignedDuration, Timestamp};

use super::Reporter;
use crate::chain;

/// Nobody waits longer for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many refusals are told in a minute, of all pull requests. GitHub takes 80
/// calls that write, and deployments need some.
const REFUSALS_MAX: usize = 20;

/// The moments of the last refusals that were told.
#[derive(Default)]
pub(super) struct Refusals(Mutex<VecDeque<Timestamp>>);

impl Refusals {
    /// Whether one more may be told at this moment, which then counts.
    fn may(&self, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now - SignedDuration::from_mins(1);
        // A clock that was set back forgets too.
        told.retain(|at| (since..=now).contains(at));
        let may = told.len() < REFUSALS_MAX;
        if may {
            told.push_back(now);
        }
        may
    }
}

impl Reporter {
    /// Answers the commands on a lane that somebody has looked into.
    pub async fn react(&self, record: &LaneRecord) {
        if let Err(error) = self.try_react(record).await {
            tracing::warn!(repo = %record.repo, pull = %record.pull, error = chain(&error), "no command is answered");
        }
    }

    /// Answers what is left to be answered on a lane that is at rest, and
    /// explains what was refused.
    pub async fn explain(&self, record: &LaneRecord) {
        if let Err(error) = self.try_explain(record).await {
            tracing::warn!(repo = %record.repo, pull = %record.pull, error = chain(&error), "no command is answered");
        }
    }

    async fn try_react(&self, record: &LaneRecord) -> Result<(), StateError> {
        let answers = self.state.answers(record.id).await?;
        let waiting: Vec<(&KeptAnswer, u64)> =
            answers.iter().filter_map(|kept| kept.asked.comment.map(|comment| (kept, comment))).collect();
        let mut done = Vec::new();
        for (kept, comment) in waiting {
            done.push(kept);
            if !self.put_reaction(record, comment, &kept.answer).await {
                break;
            }
        }
        let (granted, refused): (Vec<&KeptAnswer>, _) =
            done.into_iter().partition(|kept| kept.answer == Answer::Granted);
        self.state.set_reacted(&ids(&refused)).await?;
        self.state.forget_wishes(&ids(&granted)).await
    }

    /// Whether it makes sense to go on with the next one.
    async fn put_reaction(&self, record: &LaneRecord, comment: u64, answer: &Answer) -> bool {
        let reaction = match answer {
            Answer::Granted => Reaction::ThumbUp,
            Answer::Refused(_) if !self.refusals.may((self.now)()) => {
                tracing::warn!(repo = %record.repo, pull = %record.pull, comment, "too many refusals: a command gets no reaction");
                return true;
            }
            Answer::Refused(_) => Reaction::Confused,
        };
        let put = self.github.react(&record.repo, CommentId(comment), reaction);
        let (reason, goes_on) = match tokio::time::timeout(PATIENCE, put).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => (chain(&error), !error.is_temporary()),
            Err(_) => ("no answer in time".to_owned(), false),
        };
        tracing::warn!(repo = %record.repo, pull = %record.pull, comment, reason, "a command gets no reaction");
        goes_on
    }

    async fn try_explain(&self, record: &LaneRecord) -> Result<(), StateError> {
        self.try_react(record).await?;
        let answers = self.state.answers(record.id).await?;
        let newest = answers.iter().rev().find_map(unmet);
        let told = self.state.lane(record.id).await?.map(|record| record.told);
        if let (Some(unmet), Some(mut told)) = (newest, told)
            && let (Some(comment), Some(text)) = (told.comment, &told.text)
            && self.refusals.may((self.now)())
        {
            let text = explained(text, &record.repo, &unmet);
            let put = self.github.put_comment(&record.repo, record.pull, Some(CommentId(comment)), &text);
            let reason = match tokio::time::timeout(PATIENCE, put).await {
                Ok(Ok(CommentId(id))) => {
                    told.comment = Some(id);
                    self.state.set_told(record.id, &told).await?;
                    None
                }
                Ok(Err(error)) => Some(chain(&error)),
                Err(_) => Some("no answer in time".to_owned()),
            };
            if let Some(reason) = reason {
                tracing::warn!(repo = %record.repo, pull = %record.pull, reason, "a command is not explained");
            }
        }
        self.state.forget_wishes(&ids(&answers.iter().collect::<Vec<_>>())).await
    }
}

fn unmet(kept: &KeptAnswer) -> Option<Unmet> {
    match &kept.answer {
        Answer::Granted => None,
        Answer::Refused(why) => {
            let (by, wish) = (kept.asked.by.clone(), kept.asked.wish.clone());
            Some(Unmet { by, wish, why: why.clone() })
        }
    }
}

fn ids(answers: &[&KeptAnswer]) -> Vec<i64> {
    answers.iter().map(|kept| kept.asked.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_few_in_any_minute() {
        let refusals = Refusals::default();
        let at = |second| Timestamp::from_second(second).expect("a moment");
        let told = (0..60).filter(|second| refusals.may(at(*second))).count();
        assert_eq!(told, REFUSALS_MAX);
        assert!(refusals.may(at(62)), "the first ones are older than a minute");
        assert!(refusals.may(at(-900)), "the clock was set back");
    }
}
