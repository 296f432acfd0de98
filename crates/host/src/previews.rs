//! The operations on previews.
//!
//! A deployment is: fetch the commit → build its closure → take its host names
//! → make a berth → set up its services → wait until it answers → lead requests
//! to it → record it. Nothing is recorded as deployed before it answers. At an
//! update the second berth grows beside the first, which serves until the route
//! is switched, and what comes to nothing is taken back from the new berth only.
//!
//! Like the operations on agents these know nothing of a command line. A
//! preview under change is locked as a whole; a process that is killed in the
//! middle leaves a half-way phase with a free lock, which [`repair`] finishes or
//! takes back.

mod again;
mod build;
mod create;
mod database;
mod deploy;
mod destroy;
mod error;
mod git_token;
mod list;
mod new_berth;
mod ready;
mod repair;
mod restart;
mod route;
mod services;
mod told;
mod units;
mod update;

use std::time::Duration;

use berth_core::config::PreviewConfig;
use berth_core::repo::{BranchName, CommitSha, PullNumber, RepoName};
use berth_core::{Kind, Name};

pub use self::build::{PreviewBuilt, build};
pub use self::create::{CreateOptions, create};
pub use self::destroy::{destroy, destroy_by_hand, expire};
pub use self::error::{DeployError, PreviewError};
pub use self::list::{PreviewView, container_of, list, view};
pub(crate) use self::repair::{Stray, Strays, down as start_down, repair, strays};
pub use self::restart::restart;
pub use self::update::{UpdateKind, UpdateOptions, Updated, update};

use crate::agents::Actor;
use crate::host::{Host, duration};
use crate::lock::{Lock, LockName};
use crate::progress::Interrupt;
use crate::state::{NewEvent, Outcome, PreviewRecord};

/// What is to be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The repository.
    pub repo: RepoName,
    /// The branch; of a pull request, the branch that it comes from.
    pub branch: BranchName,
    /// The pull request, if it is one: its head is taken from the base
    /// repository, never a branch of the same name.
    pub pull: Option<PullNumber>,
    /// The commit; the newest if nothing. It must belong to that branch or
    /// pull request.
    pub commit: Option<CommitSha>,
}

/// The record of a preview, or the error that there is none.
pub async fn find(host: &Host, slug: &Name) -> Result<PreviewRecord, PreviewError> {
    match host.state.preview_called(slug).await? {
        Some(record) => Ok(record),
        None => {
            let records = host.state.previews().await?;
            let near = slug.nearest(records.iter().map(|record| &record.slug)).cloned();
            Err(PreviewError::NotFound { slug: slug.clone(), near })
        }
    }
}

/// What the operator has configured of previews.
fn config(host: &Host) -> Result<&PreviewConfig, PreviewError> {
    host.config.preview.as_ref().ok_or(PreviewError::NotConfigured)
}

/// Waits for the preview's lock as long as whoever holds it may reasonably
/// take to deploy it, or until somebody interrupts.
async fn lock(
    host: &Host,
    record: &PreviewRecord,
    action: &str,
    interrupt: Option<&Interrupt>,
) -> Result<Lock, PreviewError> {
    let mut patience = duration(host.config.deadlines.boot) + duration(host.config.deadlines.stop);
    if let Some(config) = &host.config.preview {
        let deadlines = &config.deadlines;
        for more in [deadlines.fetch, deadlines.setup, deadlines.ready, deadlines.drain] {
            patience += duration(more);
        }
    }
    let interrupted = async {
        match interrupt {
            Some(interrupt) => interrupt.interrupted().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = interrupted => Err(PreviewError::Interrupted { slug: record.slug.clone() }),
        lock = host.locks.lock(LockName::Preview(record.id), action, patience + Duration::from_secs(30)) => {
            Ok(lock?)
        }
    }
}

/// Works until somebody interrupts; then the work is dropped. For what can be
/// dropped at any moment and repeated.
async fn unless_interrupted<T, E: Into<DeployError>>(
    interrupt: &Interrupt,
    doing: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, DeployError> {
    tokio::select! {
        biased;
        () = interrupt.interrupted() => Err(DeployError::Interrupted { doing: doing.to_owned() }),
        done = work => done.map_err(Into::into),
    }
}

/// The record under its lock: it may have changed while the lock was waited
/// for, and the slug may have been given to another preview since.
async fn locked(
    host: &Host,
    slug: &Name,
    action: &str,
    interrupt: &Interrupt,
) -> Result<(PreviewRecord, Lock), PreviewError> {
    let seen = find(host, slug).await?;
    let lock = lock(host, &seen, action, Some(interrupt)).await?;
    match host.state.preview_of(seen.id).await? {
        Some(record) => Ok((record, lock)),
        None => Err(PreviewError::NotFound { slug: slug.clone(), near: None }),
    }
}

/// Writes an event of a preview.
async fn note(
    host: &Host,
    by: &Actor,
    record: &PreviewRecord,
    action: &'static str,
    outcome: Outcome,
    detail: Option<String>,
) {
    let event = NewEvent {
        at: (host.now)(),
        actor: by.to_string(),
        kind: Kind::Preview,
        name: Some(record.slug.clone()),
        container: None,
        action: action.to_owned(),
        outcome,
        detail,
    };
    host.note(event).await;
}

#[cfg(test)]
mod tests;
