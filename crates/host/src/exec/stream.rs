//! Children that use our own stdin, stdout and stderr.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tracing::debug;

use super::child::Running;
use super::error::ExecError;
use super::invocation::{Invocation, feed, split};
use super::output::Exit;

impl Invocation {
    /// Runs it with our stdout and stderr (and with our stdin, where
    /// [`Stdin::Inherit`](super::Stdin::Inherit) was chosen) until it ends by
    /// itself; no deadline. The exit is passed on, whatever it is.
    ///
    /// Signals reach the child: at a terminal it shares our process group, so
    /// that it can read and that Ctrl-C and Ctrl-Z reach it from the kernel;
    /// elsewhere it leads its own group and INT and QUIT are forwarded. TERM
    /// and HUP are forwarded always.
    pub async fn stream(mut self) -> Result<Exit, ExecError> {
        let call = Arc::new(self.call());
        debug!(argv = %call, "streaming");
        let (source, input) = split(self.take_stdin());
        let mut command = self.command();
        command.stdin(source).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        let is_at_terminal = is_at_terminal();
        if !is_at_terminal {
            command.process_group(0);
        }
        let lost = |source| ExecError::Wait { call: Arc::clone(&call), source };
        let mut signals = Signals::listen().map_err(lost)?;
        let mut running = Running::start(command, &call, !is_at_terminal)?;
        let (stdin, ..) = running.pipes();
        let feeding = tokio::spawn(feed(stdin, input));
        let exit = loop {
            tokio::select! {
                exit = running.wait() => break exit,
                signal = signals.next(is_at_terminal) => running.signal(signal),
            }
        };
        feeding.abort();
        exit.map_err(lost)
    }

    /// Puts the program in our place; returns only when that fails. Our stdin
    /// is the program's, unless a file was chosen.
    ///
    /// Destructors do not run: call it when nothing is held any more.
    pub fn replace(mut self) -> ExecError {
        let call = Arc::new(self.call());
        debug!(argv = %call, "replacing this process");
        let mut command = self.command();
        if let super::Stdin::File(file) = self.take_stdin() {
            command.stdin(file);
        }
        let source = command.exec();
        let has_dir = command.get_current_dir().is_none_or(std::path::Path::is_dir);
        ExecError::start(&call, has_dir, source)
    }
}

fn is_at_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// The signals that a streaming child must get.
pub(super) struct Signals {
    interrupt: Listener,
    quit: Listener,
    terminate: Listener,
    hangup: Listener,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal to forward. At a terminal INT and QUIT have reached the
    /// child already; we only do not die of them ourselves.
    pub(super) async fn next(&mut self, is_at_terminal: bool) -> Signal {
        loop {
            let from_keyboard = tokio::select! {
                _ = self.terminate.recv() => return Signal::TERM,
                _ = self.hangup.recv() => return Signal::HUP,
                _ = self.interrupt.recv() => Signal::INT,
                _ = self.quit.recv() => Signal::QUIT,
            };
            if !is_at_terminal {
                return from_keyboard;
            }
        }
    }
}
