//! Looking at a lane: what is, what should be, and what is done next.

use std::collections::BTreeMap;

use berth_core::lane::{Granted, Step, step};
use berth_core::policy::{Login, Permission, Pull, Verdict, decide};
use berth_host::github::GitHubError;
use berth_host::state::{KeptWish, LaneId, LaneRecord, StateError};
use thiserror::Error;

use super::Lanes;
use crate::deploy::Found;

/// A lane and its pull request, seen at one moment.
pub(super) struct Look {
    pub(super) record: LaneRecord,
    /// Everything that was heard up to here is dealt with by acting on this.
    pub(super) generation: u64,
    pub(super) pull: Pull,
    pub(super) verdict: Verdict,
    pub(super) found: Option<Found>,
    pub(super) step: Step,
}

/// Why a lane could not be looked at.
#[derive(Debug, Error)]
pub(super) enum LookError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    GitHub(#[from] GitHubError),
    #[error("the repository has no such pull request")]
    NoPull,
    #[error("the lane is not there any more")]
    Gone,
}

impl Lanes {
    /// Looks at a lane, and settles what was asked for on it.
    pub(super) async fn look(&self, id: LaneId) -> Result<Look, LookError> {
        let _permit = self.looks.acquire().await.expect("it is never closed");
        let parts = &self.parts;
        let mut record = parts.state.lane(id).await?.ok_or(LookError::Gone)?;
        let generation = record.lane.generation;
        let wishes = parts.state.wishes(id).await?;
        let pull = parts.github.pull(&record.repo, record.pull).await?.ok_or(LookError::NoPull)?;
        if !wishes.is_empty() {
            let granted = self.granted(&pull, &wishes).await?;
            let settled: Vec<i64> = wishes.iter().map(|wish| wish.id).collect();
            let changed = parts.state.change_lane(id, &settled, |lane| {
                for granted in granted {
                    lane.grant(granted, generation);
                }
            });
            record = changed.await?.ok_or(LookError::Gone)?;
        }
        let verdict = decide(&pull, &parts.policy, &record.lane.approvals);
        let found = parts.deployer.find(&record.repo, record.pull).await?;
        let step = step(&record.lane, &pull.head, &verdict, found.as_ref().map(|found| &found.site));
        Ok(Look { record, generation, pull, verdict, found, step })
    }

    /// What of it is wished by somebody who may. The API is asked, once for
    /// each person.
    async fn granted(&self, pull: &Pull, wishes: &[KeptWish]) -> Result<Vec<Granted>, GitHubError> {
        let mut permissions: BTreeMap<&Login, Permission> = BTreeMap::new();
        let mut all = Vec::new();
        for KeptWish { by, wish, .. } in wishes {
            let permission = match permissions.get(by) {
                Some(permission) => *permission,
                None => self.permission(pull, by).await?,
            };
            permissions.insert(by, permission);
            match wish.granted(pull, &self.parts.policy, by, permission) {
                Ok(granted) => {
                    tracing::info!(repo = %pull.repo, pull = %pull.number, %by, ?wish, "granted");
                    all.push(granted);
                }
                Err(reason) => {
                    tracing::info!(repo = %pull.repo, pull = %pull.number, %by, %reason, "not granted");
                }
            }
        }
        Ok(all)
    }

    /// An account that is gone may nothing.
    async fn permission(&self, pull: &Pull, by: &Login) -> Result<Permission, GitHubError> {
        match self.parts.github.permission(&pull.repo, by).await {
            Err(GitHubError::NotFound { .. }) => Ok(Permission::None),
            other => other,
        }
    }
}
