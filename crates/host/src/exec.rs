//! The only place that starts processes.
//!
//! A tool is an [`Invocation`]: a program, an argument vector (never a shell
//! text), an aim in words, a deadline and a chosen stdin. Its environment is a
//! fixed minimal one, so that nothing of the caller's leaks into a tool that
//! runs as root. Secrets go in by stdin only, which is why arguments may be
//! logged and shown in errors.
//!
//! Seven ways to run it:
//!
//! - [`Invocation::run`]: captured; an exit code other than zero is an error.
//! - [`Invocation::run_any`]: captured; the caller judges the exit.
//! - [`Invocation::run_watched`]: the same, and each line of stderr is told as
//!   it comes.
//! - [`Invocation::stream`]: stdin, stdout and stderr are ours (`logs -f`).
//! - [`Invocation::relay`] and [`Invocation::relay_terminal`]: as if they were
//!   ours, for what runs inside a container and must not hold them.
//! - [`Invocation::replace`]: the program takes our place (`agent ssh`).
//!
//! Captured children are leaders of their own process groups. At the deadline,
//! and when the future is dropped, the whole group gets SIGTERM and, after
//! [`GRACE`], SIGKILL: killing only the client of a tool cancels nothing.

mod child;
mod error;
mod invocation;
mod lines;
mod output;
mod relay;
mod stream;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use child::{GRACE, settle};
pub use error::ExecError;
pub(crate) use invocation::PATH;
pub use invocation::{Call, Invocation, Stdin};
pub use lines::Watcher;
pub use output::{Captured, Exit, Output};
pub use relay::Relayed;

/// Where a program would be found; nothing when it is not installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let folders = PATH.split(':').map(Path::new);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// An argument as it must be given to systemd, which replaces `$NAME` and
/// `${NAME}` in commands. Not needed for `%`: only unit files have that.
pub(crate) fn unexpanded(arg: &str) -> String {
    arg.replace('$', "$$")
}

static STARTED: AtomicU64 = AtomicU64::new(0);

/// How many children this process has started so far. With it a test shows
/// that a listing starts no process per container.
pub fn started() -> u64 {
    STARTED.load(Ordering::Relaxed)
}

fn count_start() {
    STARTED.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
