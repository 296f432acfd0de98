//! Results, on stdout.

use std::io::{self, Write};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::failure::Explained;

/// A result that could not be handed over.
#[derive(Debug, Error)]
pub enum OutputError {
    /// stdout refused it, such as a full disk behind it.
    #[error("could not write the result to stdout")]
    Write(#[from] io::Error),
    /// A value that JSON cannot express.
    #[error("could not write the result as JSON")]
    Json(#[from] serde_json::Error),
}

impl Explained for OutputError {}

/// Prints text as it is. A reader that went away (`agent list | head -1`) had
/// enough, which is no error.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints one JSON value, indented, with a line break at its end.
pub fn print_json(value: &impl Serialize) -> Result<(), OutputError> {
    let text = serde_json::to_string_pretty(value)?;
    print(&format!("{text}\n"))
}

/// Ends when stdout is a pipe that nobody reads any more; else never. For what
/// may write nothing for a long time and would not notice.
pub async fn unread() {
    let (tell, closed) = oneshot::channel();
    // A thread of its own: the runtime would wait for one of its.
    thread::spawn(move || {
        let stdout = io::stdout();
        // Asks for no event: what is told without asking is an end.
        let mut streams = [PollFd::new(&stdout, PollFlags::empty())];
        if let Ok(1..) = poll(&mut streams, None) {
            let _ = tell.send(());
        }
    });
    if closed.await.is_err() {
        std::future::pending::<()>().await;
    }
}
