//! Looking at a lane: what is, what should be, and what is done next.

use std::collections::BTreeMap;

use berth_core::lane::{Answer, Granted, NotGranted, Step, step};
use berth_core::policy::{Login, Permission, Pull, Verdict, decide};
use berth_host::github::GitHubError;
use berth_host::state::{KeptWish, LaneId, LaneRecord, Settled, StateError};
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
    #[error("GitHub lists the pull request and does not show it")]
    NoPull,
    /// The pull request is gone, or it is none of ours and nobody tells of it.
    #[error("there is no such pull request any more")]
    Over(Box<LaneRecord>),
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
        let pull = self.pull(&record).await?;
        if !wishes.is_empty() {
            let (granted, settled) = self.settle(&record, &pull, &wishes).await?;
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

    /// The pull request as it is now.
    async fn pull(&self, record: &LaneRecord) -> Result<Pull, LookError> {
        let LaneRecord { repo, pull: number, .. } = record;
        let parts = &self.parts;
        match parts.github.pull(repo, *number).await {
            Ok(Some(pull)) => Ok(pull),
            // GitHub hides what spammers opened. It may err, so both have to say so.
            Ok(None) => {
                let open = parts.github.open_pulls(repo).await?;
                let is_listed = open.iter().any(|pull| pull.number == *number);
                Err(if is_listed { LookError::NoPull } else { LookError::Over(Box::new(record.clone())) })
            }
            Err(error) if self.is_over(record, &error).await? => {
                Err(LookError::Over(Box::new(record.clone())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether GitHub need not be asked again: the repository gets no previews,
    /// or it is gone, and so is the preview that there was.
    async fn is_over(&self, record: &LaneRecord, error: &GitHubError) -> Result<bool, StateError> {
        let parts = &self.parts;
        if error.is_temporary() {
            return Ok(false);
        }
        if !parts.policy.repositories.allows(&record.repo) {
            return Ok(true);
        }
        let is_gone = matches!(error, GitHubError::NotFound { .. } | GitHubError::Moved { .. });
        Ok(is_gone
            && record.told.comment.is_some()
            && parts.deployer.find(&record.repo, record.pull).await?.is_none())
    }

    /// What becomes of each wish, in their order, and what of them changes the
    /// lane. The API is asked once for each person.
    async fn settle(
        &self,
        record: &LaneRecord,
        pull: &Pull,
        wishes: &[KeptWish],
    ) -> Result<(Vec<Granted>, Vec<Settled>), GitHubError> {
        let mut permissions: BTreeMap<&Login, Permission> = BTreeMap::new();
        let (mut all, mut settled) = (Vec::new(), Vec::new());
        let mut lane = record.lane.clone();
        for KeptWish { id, by, wish, comment } in wishes {
            let permission = match permissions.get(by) {
                Some(permission) => *permission,
                None if wish.needs_permission() => self.permission(pull, by).await?,
                None => Permission::None,
            };
            if wish.needs_permission() {
                permissions.insert(by, permission);
            }
            let answer = match wish.granted(pull, &self.parts.policy, &lane.approvals, by, permission) {
                Ok(granted) => {
                    tracing::info!(repo = %pull.repo, pull = %pull.number, %by, ?wish, "granted");
                    lane.grant(granted.clone(), lane.generation);
                    all.push(granted);
                    comment.map(|_| Answer::Granted)
                }
                Err(reason) => {
                    tracing::info!(repo = %pull.repo, pull = %pull.number, %by, ?wish, %reason, "not granted");
                    // Most labels are not meant for Berth.
                    (reason != NotGranted::Label).then_some(Answer::Refused(reason))
                }
            };
            settled.push(Settled { id: *id, answer });
        }
        Ok((all, settled))
    }

    /// An account that is gone may nothing.
    async fn permission(&self, pull: &Pull, by: &Login) -> Result<Permission, GitHubError> {
        match self.parts.github.permission(&pull.repo, by).await {
            Err(GitHubError::NotFound { .. }) => Ok(Permission::None),
            other => other,
        }
    }
}
