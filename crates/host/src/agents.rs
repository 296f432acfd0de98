//! The operations on agents.
//!
//! Each is: look → plan (pure, in `berth_core::plan`) → apply → record. They
//! know nothing of a command line: progress goes to a [`Progress`], an
//! interrupt comes from an [`Interrupt`], who asks is an [`Actor`]. A process
//! that is killed in the middle leaves a record in a half-way phase and a free
//! lock; [`reconcile`](crate::reconcile) removes what it left.

mod build;
mod create;
mod destroy;
mod error;
mod list;
mod pause;

use std::fmt;
use std::time::Duration;

use berth_core::guest::{AgentPreparation, Preparation};
use berth_core::{ContainerName, Kind, Name};

pub use self::build::{Built, build};
pub use self::create::{CreateOptions, create, plan_create};
pub use self::destroy::{Destroyed, destroy, expire, plan_destroy};
pub(crate) use self::destroy::{clear, destroy_record};
pub use self::error::{AgentError, Detail};
pub(crate) use self::error::{chain, left_detail};
pub use self::list::{AgentView, list, view};
pub use self::pause::{start, stop};

use crate::host::{Host, duration};
use crate::lock::Lock;
use crate::state::{BerthRecord, NewEvent, Outcome};

/// Who asks for an operation: written into the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// Somebody, by the name that people know.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The record of an agent, or the error that there is none.
pub async fn find(host: &Host, name: &Name) -> Result<BerthRecord, AgentError> {
    match host.state.berth_named(Kind::Agent, name).await? {
        Some(record) => Ok(record),
        None => Err(AgentError::NotFound { name: name.clone(), near: nearest(host, name).await? }),
    }
}

/// The agent that this name, which none has, may be mistyped for.
pub async fn nearest(host: &Host, name: &Name) -> Result<Option<Name>, AgentError> {
    let records = host.state.berths(Some(Kind::Agent)).await?;
    Ok(name.nearest(records.iter().map(|record| &record.name)).cloned())
}

/// Waits for the berth's lock as long as whoever holds it may reasonably take.
async fn lock(host: &Host, container: ContainerName, action: &str) -> Result<Lock, AgentError> {
    let deadlines = &host.config.deadlines;
    let patience = duration(deadlines.boot) + duration(deadlines.stop) + Duration::from_secs(30);
    Ok(host.locks.lock(container, action, patience).await?)
}

/// What is put into an agent's root, as configured now.
fn preparation(host: &Host, name: &Name) -> Preparation {
    Preparation::Agent(AgentPreparation {
        host_name: name.clone(),
        authorized_keys: host.config.agent.authorized_keys.clone(),
        credentials: host.config.agent.credentials.clone(),
    })
}

/// Writes an event of an agent.
async fn note(
    host: &Host,
    by: &Actor,
    record: &BerthRecord,
    action: &'static str,
    outcome: Outcome,
    detail: Option<String>,
) {
    let event = NewEvent {
        at: (host.now)(),
        actor: by.to_string(),
        kind: record.kind,
        name: Some(record.name.clone()),
        container: Some(record.container),
        action: action.to_owned(),
        outcome,
        detail,
    };
    host.note(event).await;
}

#[cfg(test)]
mod tests;
