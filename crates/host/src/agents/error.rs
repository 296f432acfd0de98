//! Why an operation on agents came to nothing.

use berth_core::{Name, Subnet};
use thiserror::Error;

use crate::apply::{ApplyError, LeftBehind};
use crate::closures::ClosureError;
use crate::containers::ContainersError;
use crate::firewall_table::TableError;
use crate::gpu::GpuError;
use crate::inventory::InventoryError;
use crate::lock::LockError;
use crate::state::StateError;
use crate::systemd::SystemdError;

/// A block of lines that belongs to an error: a log, a list of what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What the lines are, as a heading.
    pub title: String,
    /// The lines, safe to print.
    pub lines: Vec<String>,
}

/// Why an operation came to nothing.
#[derive(Debug, Error)]
pub enum AgentError {
    /// There is no agent of this name.
    #[error("there is no agent `{name}`; {}", way_on(near.as_ref()))]
    NotFound {
        /// The name.
        name: Name,
        /// One that there is, and that may be meant.
        near: Option<Name>,
    },
    /// The name is taken.
    #[error(
        "the agent `{name}` exists already; enter it with `agent ssh {name}` or remove it with `agent destroy {name}`"
    )]
    Exists {
        /// The name.
        name: Name,
    },
    /// Every slot of the subnet is taken.
    #[error("all {taken} berths of {subnet} are taken; destroy an agent or configure a larger `subnet`")]
    Full {
        /// The configured subnet.
        subnet: Subnet,
        /// How many berths there are.
        taken: usize,
    },
    /// Another process is changing this berth.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no closure to create agents from.
    #[error("there is no system to create agents from")]
    NoClosure(#[source] ClosureError),
    /// The closure could not be built.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// The agent could not be created. All of it was taken back, but for what
    /// `left` tells.
    #[error("could not create the agent `{name}`")]
    Create {
        /// The name.
        name: Name,
        /// The first thing that went wrong.
        source: ApplyError,
        /// Logs, and what was taken back.
        details: Vec<Detail>,
    },
    /// The agent could not be started; it keeps its berth and its workspace.
    #[error("could not start the agent `{name}`")]
    Start {
        /// The name.
        name: Name,
        /// The first thing that went wrong.
        source: ApplyError,
        /// Logs.
        details: Vec<Detail>,
    },
    /// The agent could not be stopped.
    #[error("could not stop the agent `{name}`")]
    Stop {
        /// The name.
        name: Name,
        /// What went wrong.
        source: ApplyError,
    },
    /// Something of the agent could not be removed. Its record stays, so that
    /// the berth is not given away.
    #[error(
        "could not remove all of the agent `{name}`; mend what is named and run `agent destroy {name}` again"
    )]
    Destroy {
        /// The name.
        name: Name,
        /// Everything that is still there, with its reason.
        left: Vec<LeftBehind>,
    },
    /// Not possible in this state.
    #[error("the agent `{name}` is {phase}; {way_out}")]
    WrongPhase {
        /// The name.
        name: Name,
        /// Its phase.
        phase: berth_core::Phase,
        /// What to do instead.
        way_out: String,
    },
    /// A GPU is asked for that the host does not have or offer.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// systemd could not be asked.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The containers could not be listed.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// The host could not be looked at.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The firewall could not be asked or loaded.
    #[error(transparent)]
    Firewall(#[from] TableError),
}

/// What to do when there is no agent of a name.
fn way_on(near: Option<&Name>) -> String {
    near.map_or_else(|| "see `agent list`".to_owned(), |near| format!("did you mean `{near}`?"))
}

impl AgentError {
    /// What belongs to the error beyond its chain of causes.
    pub fn details(&self) -> Vec<Detail> {
        match self {
            Self::Create { details, .. } | Self::Start { details, .. } => details.clone(),
            Self::Destroy { left, .. } => vec![left_detail(left)],
            Self::NotFound { .. }
            | Self::Exists { .. }
            | Self::Full { .. }
            | Self::Lock(_)
            | Self::State(_)
            | Self::NoClosure(_)
            | Self::Closure(_)
            | Self::Stop { .. }
            | Self::WrongPhase { .. }
            | Self::Gpu(_)
            | Self::Systemd(_)
            | Self::Containers(_)
            | Self::Inventory(_)
            | Self::Firewall(_) => Vec::new(),
        }
    }

    /// Whether somebody interrupted the operation.
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::NoClosure(ClosureError::Interrupted)
                | Self::Closure(ClosureError::Interrupted)
                | Self::Create { source: ApplyError::Interrupted { .. }, .. }
                | Self::Start { source: ApplyError::Interrupted { .. }, .. }
                | Self::Stop { source: ApplyError::Interrupted { .. }, .. }
        )
    }
}

/// What a removal left, one line a step with its causes.
pub(crate) fn left_detail(left: &[LeftBehind]) -> Detail {
    let lines = left.iter().map(|left| chain(left)).collect();
    Detail { title: "still there".to_owned(), lines }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Transparent errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
