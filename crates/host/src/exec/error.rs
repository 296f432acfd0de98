//! What can go wrong with a child.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::invocation::Call;
use super::output::{Captured, Exit};

/// How many lines of a tool's stderr an error shows.
const SHOWN_LINES: usize = 10;

/// Why a tool did not do what it was called for.
#[derive(Debug, Error)]
pub enum ExecError {
    /// The tool is not installed.
    #[error("could not {}: `{program}` is not installed; check with `agent doctor`", call.aim, program = call.program())]
    Missing {
        /// What was called.
        call: Arc<Call>,
    },
    /// The tool is there, but the system refused to start it.
    #[error("could not {}: `{call}` did not start", call.aim)]
    Start {
        /// What was called.
        call: Arc<Call>,
        /// The system's reason.
        source: io::Error,
    },
    /// The tool ran and ended with something other than zero.
    #[error("could not {}: `{call}` ended with {exit}{}", call.aim, shown(stderr))]
    Failed {
        /// What was called.
        call: Arc<Call>,
        /// How it ended.
        exit: Exit,
        /// What it said, from stdout where stderr was empty.
        stderr: Captured,
    },
    /// The tool was still running at its deadline and was killed.
    #[error("could not {}: `{call}` was stopped at its deadline of {after:?}{}", call.aim, shown(stderr))]
    Deadline {
        /// What was called.
        call: Arc<Call>,
        /// The deadline.
        after: Duration,
        /// What it had said until then.
        stderr: Captured,
    },
    /// The system lost the child.
    #[error("could not {}: waiting for `{call}` failed", call.aim)]
    Wait {
        /// What was called.
        call: Arc<Call>,
        /// The system's reason.
        source: io::Error,
    },
    /// The tool printed more than is kept, so its output cannot be parsed.
    #[error("could not {}: `{call}` printed {cut} bytes more than are kept", call.aim)]
    Cut {
        /// What was called.
        call: Arc<Call>,
        /// How many bytes of the beginning were dropped.
        cut: u64,
    },
}

impl ExecError {
    /// What was called.
    pub fn call(&self) -> &Call {
        match self {
            Self::Missing { call }
            | Self::Start { call, .. }
            | Self::Failed { call, .. }
            | Self::Deadline { call, .. }
            | Self::Wait { call, .. }
            | Self::Cut { call, .. } => call,
        }
    }

    /// What the tool said, where it ran.
    pub fn stderr(&self) -> Option<&Captured> {
        match self {
            Self::Failed { stderr, .. } | Self::Deadline { stderr, .. } => Some(stderr),
            Self::Missing { .. } | Self::Start { .. } | Self::Wait { .. } | Self::Cut { .. } => None,
        }
    }

    pub(super) fn start(call: &Arc<Call>, has_dir: bool, source: io::Error) -> Self {
        let call = Arc::clone(call);
        // A missing working folder answers ENOENT too.
        if source.kind() == io::ErrorKind::NotFound && has_dir {
            Self::Missing { call }
        } else {
            Self::Start { call, source }
        }
    }
}

/// The last lines of what a tool said, one below the other.
fn shown(stderr: &Captured) -> String {
    let lines = stderr.last_lines(SHOWN_LINES);
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!(": {line}"),
        lines => format!(":\n  {}", lines.join("\n  ")),
    }
}
