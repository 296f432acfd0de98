//! Asking `berthd` what it does: one line of JSON there, one line back.
//!
//! The records tell everything that lasts. Only what goes on at this moment is
//! known to the daemon alone, so a host without one is no error.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use berth_core::{Layout, PullNumber, RepoName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of a line.
pub const LINE_MAX: u64 = 1 << 20;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What is done at this moment.
    Status,
    /// To look through spool and lanes now. For root.
    Nudge,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status {
        /// Since when it runs.
        since: Timestamp,
        /// What it does.
        doing: Vec<Doing>,
    },
    /// Done.
    Done,
    /// Not done, for this reason.
    Refused {
        /// The reason.
        reason: String,
    },
}

/// A lane that is worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// The number of the lane.
    pub job: i64,
    /// The repository.
    pub repository: RepoName,
    /// The pull request.
    pub pull: PullNumber,
    /// What is done.
    pub step: String,
    /// Since when the lane is worked on.
    pub since: Timestamp,
}

/// Why there is no answer from a daemon that runs.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The socket.
    #[error("berthd could not be asked")]
    Socket(#[from] io::Error),
    /// The answer has another form.
    #[error("the answer of berthd is not understood: is it of another version?")]
    Form(#[from] serde_json::Error),
}

/// Asks the daemon of this host. Nothing when none runs.
pub fn ask(layout: &Layout, request: Request) -> Result<Option<Answer>, ControlError> {
    let mut stream = match UnixStream::connect(layout.control_socket()) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(&request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}
