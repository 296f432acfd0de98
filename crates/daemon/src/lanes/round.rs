//! One round of a lane: look, act, and tell.

use berth_core::comment::CommentState;
use berth_core::lane::{End, Step};
use berth_host::github::GitHubError;
use berth_host::progress::Interrupt;
use berth_host::state::{LaneId, StateError};
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
            Err(error) => return Ok(Some((0, unanswered(&error)))),
        };
        let generation = look.generation;
        match look.step {
            Step::Rest => {
                rest(lanes, &look).await;
                return Ok(Some((generation, End::Rested)));
            }
            Step::Destroy | Step::Replace => match lanes.destroy(&look, busy).await {
                Ok(()) => {}
                Err(fault) => return Ok(Some((generation, lanes.failed(&look, fault).await))),
            },
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

/// GitHub did not answer as hoped.
fn unanswered(error: &LookError) -> End {
    match error {
        LookError::GitHub(GitHubError::RateLimited { until }) => {
            End::Wait { until: *until, error: chain(error) }
        }
        LookError::GitHub(_) | LookError::State(_) | LookError::NoPull | LookError::Gone => {
            End::Failed { error: chain(error) }
        }
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
    /// What a fault means for the lane, and for who looks at the pull request.
    pub(super) async fn failed(&self, look: &Look, fault: Fault) -> End {
        let commit = look.pull.head.clone();
        let error = if fault.log.is_empty() {
            format!("{}: {}", fault.what, fault.reason)
        } else {
            format!("{}: {}; {}", fault.what, fault.reason, fault.log.lines().last().unwrap_or_default())
        };
        let end = match fault.way_out {
            WayOut::Interrupted => return End::CutShort,
            WayOut::Repair => {
                self.half_way.notify_one();
                return End::Failed { error };
            }
            WayOut::Push => End::Refused { commit: commit.clone(), error },
            WayOut::Retry => End::Failed { error },
        };
        let Fault { what, reason, log, .. } = fault;
        let served = look.found.as_ref().map(|found| &found.site);
        let still = served.and_then(|site| site.commit.clone());
        let at = (self.parts.now)();
        let state = CommentState::Failed { commit, what, reason, log, still, at };
        self.reporter.tell(&look.record, state).await;
        end
    }
}
