//! Logs, on stderr: plain lines between what the screen draws.

use std::io;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::failure::Explained;
use crate::{Caller, CallerError, Code, Screen};

/// The variable that chooses what is logged, in the language of
/// `tracing_subscriber::EnvFilter`: `info`, `berth_host=debug`.
pub const VARIABLE: &str = "BERTH_LOG";

/// Why the logs cannot be as asked for.
#[derive(Debug, Error)]
pub enum LogsError {
    /// The variable says nothing that can be understood.
    #[error("`{VARIABLE}` is no filter for logs: write such as `info` or `berth_host=debug`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The variable is not for this caller.
    #[error(transparent)]
    Caller(#[from] CallerError),
}

impl Explained for LogsError {
    fn code(&self) -> Code {
        Code::Usage
    }
}

/// Begins to log: warnings, and with each `-v` more. `BERTH_LOG` decides where
/// it is set, for root itself only.
pub fn init(verbosity: u8, caller: &Caller, screen: &Screen) -> Result<(), LogsError> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) => {
            caller.need_own_rights(VARIABLE)?;
            EnvFilter::try_new(text)?
        }
        Err(_) => EnvFilter::new(directives(verbosity)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Lines(screen.clone()))
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .init();
    Ok(())
}

/// Others' crates are one step quieter than Berth's own.
fn directives(verbosity: u8) -> &'static str {
    match verbosity {
        0 => "warn",
        1 => "warn,berth=info,agent=info,preview=info",
        2 => "info,berth=debug,agent=debug,preview=debug",
        3.. => "trace",
    }
}

/// Hands lines of the log to the screen.
struct Lines(Screen);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { screen: &self.0, bytes: Vec::new() }
    }
}

/// One line of the log; shown when it is complete.
struct Line<'a> {
    screen: &'a Screen,
    bytes: Vec<u8>,
}

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.screen.note(String::from_utf8_lossy(&self.bytes).trim());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_filter() {
        for verbosity in 0..5 {
            assert!(EnvFilter::try_new(directives(verbosity)).is_ok(), "{verbosity}");
        }
    }
}
