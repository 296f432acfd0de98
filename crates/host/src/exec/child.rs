//! A running child, and how it is brought to an end.

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::oneshot;

use super::error::ExecError;
use super::invocation::Call;
use super::output::Exit;

/// How long a child that is told to end (SIGTERM) may tidy up before SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);

/// How long SIGKILL may take to show. Only a child that hangs in the kernel
/// takes longer; it is left to its thread then.
const DEATH: Duration = Duration::from_secs(3);

const POLL: Duration = Duration::from_millis(10);

/// Children that are being brought to an end right now.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// Waits, blocking, until the children of dropped futures are gone: for the
/// end of `main`, after a signal cancelled the work.
///
/// Returns false when some child outlived SIGKILL by seconds.
pub fn settle() -> bool {
    let until = Instant::now() + GRACE + DEATH;
    while ENDING.load(Ordering::Acquire) > 0 {
        if Instant::now() > until {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// A started child. Dropping it ends the child and, where it leads one, its
/// process group.
#[derive(Debug)]
pub(super) struct Running {
    child: Option<Child>,
    pid: Pid,
    leads_group: bool,
}

/// The pipes to a child, those that were asked for.
pub(super) type Pipes = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

impl Running {
    /// Starts a command; `leads_group` says whether it was given a process
    /// group of its own.
    pub(super) fn start(command: Command, call: &Arc<Call>, leads_group: bool) -> Result<Self, ExecError> {
        let has_dir = command.get_current_dir().is_none_or(std::path::Path::is_dir);
        let child = tokio::process::Command::from(command)
            .spawn()
            .map_err(|source| ExecError::start(call, has_dir, source))?;
        super::count_start();
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("a new child has an id");
        Ok(Self { child: Some(child), pid, leads_group })
    }

    pub(super) fn pipes(&mut self) -> Pipes {
        let child = self.child.as_mut().expect("the child is taken only at the end");
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    }

    /// Waits for the end and reaps. Can be cancelled and called again.
    pub(super) async fn wait(&mut self) -> io::Result<Exit> {
        let child = self.child.as_mut().expect("the child is taken only at the end");
        let status = child.wait().await?;
        self.child = None;
        Ok(status.into())
    }

    /// Sends a signal to the child, not to its group.
    pub(super) fn signal(&self, signal: Signal) {
        if self.child.is_some() {
            // It may end at this moment; not yet reaped, its id is still its own.
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Ends the child and returns when it is gone.
    pub(super) async fn stop(mut self) {
        if let Some(ended) = self.begin_end() {
            let _ = tokio::time::timeout(GRACE + DEATH, ended).await;
        }
    }

    /// SIGTERM now; the rest is done by a thread, because a dropped future can
    /// wait for nothing and the runtime may be about to shut down.
    fn begin_end(&mut self) -> Option<oneshot::Receiver<()>> {
        let child = self.child.take()?;
        let (pid, leads_group) = (self.pid, self.leads_group);
        let (tell, ended) = oneshot::channel();
        ENDING.fetch_add(1, Ordering::AcqRel);
        send(pid, leads_group, Signal::TERM);
        thread::spawn(move || {
            end(child, pid, leads_group);
            ENDING.fetch_sub(1, Ordering::AcqRel);
            let _ = tell.send(());
        });
        Some(ended)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_end();
    }
}

fn send(pid: Pid, leads_group: bool, signal: Signal) {
    // An error means that nobody is left to receive it.
    let _ = if leads_group {
        rustix::process::kill_process_group(pid, signal)
    } else {
        rustix::process::kill_process(pid, signal)
    };
}

/// Waits out the grace, kills what is left and reaps.
///
/// The child is first only looked at (`NOWAIT`): as long as it is not reaped,
/// its id, which is the group's, cannot be given to a stranger, so that the
/// SIGKILL for those it left behind cannot hit one.
fn end(mut child: Child, pid: Pid, leads_group: bool) {
    let until = Instant::now() + GRACE;
    while !has_exited(pid) && Instant::now() < until {
        thread::sleep(POLL);
    }
    send(pid, leads_group, Signal::KILL);
    while let Ok(None) = child.try_wait() {
        thread::sleep(POLL);
    }
}

fn has_exited(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(None))
}
