//! One round of a lane: look, act, and tell.

use berth_core::CommitSha;
use berth_core::comment::CommentState;
use berth_core::lane::{End, Step};
use berth_host::github::GitHubError;
use berth_host::progress::Interrupt;
use berth_host::state::{LaneId, LaneRecord, StateError};
use tokio::sync::SemaphorePermit;

use super::look::{Look, LookError};
use super::{Busy, Lanes};
use crate::chain;
use crate::deploy::{Fault, WayOut};
use crate::report::Resting;

/// A lane that is not at rest after so many looks in one round goes back into
/// the queue: others wait.
const LOOKS_MAX: usize = 10;

/// Brings the preview of a lane to where it should be, and tells how that
/// ended and which generation had been seen. Nothing when the lane is gone.
pub(super) async fn run(
    lanes: &Lanes,
    id: LaneId,
    busy: &Busy,
    stop: &Interrupt,
) -> Result<Option<(u64, End)>, StateError> {
    let ended = looks(lanes, id, busy, stop).await?;
    let is_at_rest = match &ended {
        Some((_, End::Done | End::Rested | End::Refused { .. })) => true,
        Some((_, End::Failed { .. } | End::Wait { .. } | End::Unasked { .. } | End::CutShort)) | None => {
            false
        }
    };
    if is_at_rest && let Some(record) = lanes.parts.state.lane(id).await? {
        lanes.reporter.explain(&record).await;
    }
    Ok(ended)
}

async fn looks(
    lanes: &Lanes,
    id: LaneId,
    busy: &Busy,
    stop: &Interrupt,
) -> Result<Option<(u64, End)>, StateError> {
    let mut slot: Option<SemaphorePermit<'_>> = None;
    for _ in 0..LOOKS_MAX {
        if stop.is_interrupted() {
            return Ok(Some((0, End::CutShort)));
        }
        busy.set_step("ask GitHub");
        let look = tokio::select! {
            biased;
            () = stop.interrupted() => return Ok(Some((0, End::CutShort))),
            look = lanes.look(id) => look,
        };
        let look = match look {
            Ok(look) => look,
            Err(LookError::Gone) => return Ok(None),
            Err(LookError::State(error)) => return Err(error),
            Err(LookError::Over(record)) => return lanes.over(&record, busy).await.map(Some),
            Err(error) => return Ok(Some((0, unanswered(&error)))),
        };
        let generation = look.generation;
        lanes.reporter.react(&look.record).await;
        match look.step {
            Step::Rest => {
                rest(lanes, &look).await;
                return Ok(Some((generation, End::Rested)));
            }
            Step::Destroy | Step::Replace => {
                if let Some(found) = &look.found
                    && let Err(fault) = lanes.destroy(id, &found.slug, busy).await
                {
                    return Ok(Some((generation, lanes.failed(&look, fault).await)));
                }
            }
            Step::Create { .. } | Step::Update { .. } if slot.is_none() => {
                slot = lanes.slots.try_acquire().ok();
                if slot.is_none() {
                    busy.set_step("wait for its turn");
                    lanes
                        .reporter
                        .tell(&look.record, CommentState::Queued { commit: look.pull.head.clone() })
                        .await;
                    slot = tokio::select! {
                        biased;
                        () = stop.interrupted() => None,
                        () = busy.news.notified() => None,
                        slot = lanes.slots.acquire() => slot.ok(),
                    };
                    // What is newest after the wait is deployed.
                    continue;
                }
                return Ok(Some((generation, lanes.deploy(&look, busy, stop).await)));
            }
            Step::Create { .. } | Step::Update { .. } => {
                return Ok(Some((generation, lanes.deploy(&look, busy, stop).await)));
            }
        }
    }
    Ok(Some((0, End::CutShort)))
}

/// GitHub did not answer as hoped. What it says of a repository or of Berth's
/// credentials is no failure of the pull request: its preview stays.
fn unanswered(error: &LookError) -> End {
    match error {
        LookError::GitHub(GitHubError::RateLimited { until }) => {
            End::Wait { until: *until, error: chain(error) }
        }
        LookError::GitHub(_) | LookError::NoPull => End::Unasked { error: chain(error) },
        LookError::State(_) | LookError::Gone | LookError::Over(_) => End::Failed { error: chain(error) },
    }
}

/// Tells what is so and had not been told.
async fn rest(lanes: &Lanes, look: &Look) {
    let resting = Resting {
        head: &look.pull.head,
        verdict: &look.verdict,
        lane: &look.record.lane,
        found: look.found.as_ref(),
    };
    if let Some(state) = resting.untold(&look.record.told, (lanes.parts.now)()) {
        lanes.reporter.tell(&look.record, state).await;
    }
}

impl Lanes {
    /// There is no pull request any more: what it had goes, and nobody is told.
    async fn over(&self, record: &LaneRecord, busy: &Busy) -> Result<(u64, End), StateError> {
        let generation = record.lane.generation;
        if let Some(found) = self.parts.deployer.find(&record.repo, record.pull).await? {
            tracing::info!(repo = %record.repo, pull = %record.pull, slug = %found.slug, "removed: its pull request is gone");
            if let Err(fault) = self.destroy(record.id, &found.slug, busy).await {
                let end = self.end_of(&fault, None);
                return Ok((generation, end));
            }
        }
        self.reporter.give_up(record).await?;
        Ok((generation, End::Rested))
    }

    /// What a fault of a deployment of this commit, or of a removal, means for
    /// the lane.
    fn end_of(&self, fault: &Fault, commit: Option<&CommitSha>) -> End {
        let error = if fault.log.is_empty() {
            format!("{}: {}", fault.what, fault.reason)
        } else {
            format!("{}: {}; {}", fault.what, fault.reason, fault.log.lines().last().unwrap_or_default())
        };
        match (fault.way_out, commit) {
            (WayOut::Interrupted, _) => End::CutShort,
            (WayOut::Repair, _) => {
                self.half_way.notify_one();
                End::Failed { error }
            }
            (WayOut::Push, Some(commit)) => End::Refused { commit: commit.clone(), error },
            (WayOut::Push, None) | (WayOut::Retry, _) => End::Failed { error },
        }
    }

    /// What a fault means for the lane, and for who looks at the pull request.
    pub(super) async fn failed(&self, look: &Look, fault: Fault) -> End {
        let commit = look.pull.head.clone();
        let end = self.end_of(&fault, Some(&commit));
        match fault.way_out {
            WayOut::Interrupted | WayOut::Repair => return end,
            WayOut::Push | WayOut::Retry => {}
        }
        let Fault { what, reason, log, .. } = fault;
        let served = look.found.as_ref().map(|found| &found.site);
        let still = served.and_then(|site| site.commit.clone());
        let at = (self.parts.now)();
        let state = CommentState::Failed { commit, what, reason, log, still, at };
        self.reporter.tell(&look.record, state).await;
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_github_says_of_a_repository_or_of_berth_is_no_failure_of_a_pull_request() {
        let (what, said) = (|| "pull request 7".to_owned(), || "no".to_owned());
        for error in [
            GitHubError::NotFound { what: what(), hint: "look" },
            GitHubError::Moved { what: what(), to: "acme/new".to_owned() },
            GitHubError::Unauthorized { what: what(), said: said() },
            GitHubError::Forbidden { what: what(), needs: None, said: said() },
            GitHubError::Failing { what: what(), status: 502 },
            GitHubError::Token,
        ] {
            let error = LookError::GitHub(error);
            assert!(matches!(unanswered(&error), End::Unasked { .. }), "{error}");
        }
        let until = jiff::Timestamp::UNIX_EPOCH;
        let limited = unanswered(&LookError::GitHub(GitHubError::RateLimited { until }));
        assert!(matches!(limited, End::Wait { .. }));
    }
}
