//! What should run and does not, as after a reboot of the host.
//!
//! A reconcile starts one after another and tries each of them every time. A
//! daemon has more patience: it starts several at once, and one that fails
//! again and again less and less often. So it lists them here and starts them
//! one by one.

use std::fmt;

use berth_core::Name;

use crate::agents::{self, Actor, AgentError, chain};
use crate::host::Host;
use crate::previews::{self, Stray};
use crate::progress::{Interrupt, Progress};
use crate::reconcile::{self, ReconcileError};
use crate::state::PreviewRecord;

/// Something that should run and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// An agent.
    Agent(Name),
    /// A preview.
    Preview(Box<PreviewRecord>),
}

impl fmt::Display for Down {
    /// Its kind and its name; no two have the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => write!(f, "agent {name}"),
            Self::Preview(record) => write!(f, "preview {}", record.slug),
        }
    }
}

/// Why it could not be listed: what is told of previews is text already.
pub async fn down(host: &Host) -> Result<Vec<Down>, ReconcileError> {
    let mut found: Vec<Down> =
        reconcile::down(host).await?.into_iter().map(|record| Down::Agent(record.name)).collect();
    match previews::strays(host).await {
        Ok(strays) => found.extend(strays.found.into_iter().filter_map(|stray| match stray {
            Stray::Down(record) => Some(Down::Preview(Box::new(record))),
            _ => None,
        })),
        Err(error) => tracing::warn!(error = chain(&error), "the previews that are down cannot be listed"),
    }
    Ok(found)
}

/// Starts it, unless somebody has. The error is a line for people.
pub async fn start(
    host: &Host,
    down: &Down,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), String> {
    match down {
        Down::Agent(name) => {
            let told = |error: AgentError| chain(&error);
            agents::start(host, name, by, progress, interrupt).await.map(|_| ()).map_err(told)
        }
        Down::Preview(record) => {
            previews::start_down(host, record, by, progress, interrupt).await.map(|_| ())
        }
    }
}
