//! What a child printed and how it ended.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::ExecError;
use super::invocation::Call;
use super::lines::{Lines, Watcher};
use crate::printable::printable_line;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether the code was zero.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// The code that a shell would report: 128 and the number for a signal.
    pub fn shell_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => unreachable!("a child that was waited for has exited or was killed"),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// One captured stream: its end, and how much before it was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The last bytes.
    pub bytes: Vec<u8>,
    /// How many bytes came before them and were not kept.
    pub cut: u64,
}

impl Captured {
    /// The kept part as text, replacing what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The last `count` lines that are not blank, control characters made
    /// visible.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| printable_line(line)).collect()
    }
}

/// How a child ended and what it printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// What was called and why.
    pub call: Arc<Call>,
    /// How it ended.
    pub exit: Exit,
    /// Its stdout.
    pub stdout: Captured,
    /// Its stderr.
    pub stderr: Captured,
}

impl Output {
    /// Turns an exit other than zero into the error that [`run`] reports, for
    /// callers that let some codes pass.
    ///
    /// [`run`]: super::Invocation::run
    pub fn success(self) -> Result<Self, ExecError> {
        if self.exit.is_success() {
            return Ok(self);
        }
        // Tools that explain themselves on stdout exist; silence helps nobody.
        let stderr = if self.stderr.bytes.is_empty() { self.stdout } else { self.stderr };
        Err(ExecError::Failed { call: self.call, exit: self.exit, stderr })
    }

    /// All of stdout, for parsers: fails when its beginning was dropped.
    pub fn whole_stdout(&self) -> Result<&[u8], ExecError> {
        match self.stdout.cut {
            0 => Ok(&self.stdout.bytes),
            cut => Err(ExecError::Cut { call: Arc::clone(&self.call), cut }),
        }
    }
}

/// Collects a stream, keeping its end.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cut: u64,
    keep: usize,
}

impl Tail {
    pub(super) fn new(keep: usize) -> Self {
        Self { bytes: VecDeque::new(), cut: 0, keep }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend(chunk);
        let excess = self.bytes.len().saturating_sub(self.keep);
        self.bytes.drain(..excess);
        self.cut += excess as u64;
    }

    pub(super) fn finish(self) -> Captured {
        Captured { bytes: self.bytes.into(), cut: self.cut }
    }
}

/// Reads a pipe to its end. A read error ends it like a closed pipe: the exit
/// code tells how the child fared.
pub(super) async fn read(
    pipe: Option<impl AsyncRead + Unpin>,
    tail: &mut Tail,
    watcher: Option<Watcher<'_>>,
) {
    let Some(mut pipe) = pipe else { return };
    let mut lines = Lines::new(watcher);
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut chunk).await {
        tail.push(&chunk[..count]);
        lines.push(&chunk[..count]);
    }
    lines.finish();
}
