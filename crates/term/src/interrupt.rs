//! Ctrl-C, and the other ways of asking a program to stop.

use std::io;
use std::process;
use std::time::Duration;

use berth_host::progress::{Interrupt, Interrupter};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::{Code, Explained, Screen};

/// What comes so soon after the first signal is the same wish once more:
/// `timeout` signals its child and then the group that the child is in.
const ECHO: Duration = Duration::from_millis(100);

/// Listens from now on, instead of being ended by them, to SIGINT, SIGTERM and
/// SIGHUP.
///
/// The first one raises the returned interrupt and tells `message`; the second
/// ends the program at once.
pub fn listen(screen: &Screen, message: &'static str) -> Result<Interrupt, ListenError> {
    let signals = Signals::listen()?;
    let (interrupter, interrupt) = Interrupt::new();
    tokio::spawn(obey(signals, interrupter, screen.clone(), message));
    Ok(interrupt)
}

async fn obey(mut signals: Signals, interrupter: Interrupter, screen: Screen, message: &str) {
    signals.next().await;
    screen.note(message);
    interrupter.interrupt();
    once_more(&mut signals).await;
    screen.clear();
    process::exit(i32::from(Code::Interrupted as u8));
}

/// Ends when another signal comes that is no echo of the one before.
async fn once_more(signals: &mut Signals) {
    sleep(ECHO).await;
    while signals.has_come().await {}
    signals.next().await;
}

/// Signals could not be listened to.
#[derive(Debug, Error)]
#[error("could not listen to signals")]
pub struct ListenError(#[from] io::Error);

impl Explained for ListenError {}

/// SIGINT, SIGTERM and SIGHUP. A signal that whoever started us has switched
/// off (`nohup`, a job in the background of a script) stays off.
#[derive(Debug)]
pub struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> Result<Self, ListenError> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = ignored_signals(&status);
        let listener = |kind| if is_ignored(ignored, kind) { Ok(None) } else { signal(kind).map(Some) };
        Ok(Self {
            interrupt: listener(SignalKind::interrupt())?,
            terminate: listener(SignalKind::terminate())?,
            hangup: listener(SignalKind::hangup())?,
        })
    }

    /// Ends when one of them comes, or has come since the last time.
    pub async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.interrupt) => {}
            () = received(&mut self.terminate) => {}
            () = received(&mut self.hangup) => {}
        }
    }

    /// Whether one has come since the last time.
    pub async fn has_come(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.next() => true,
            () = std::future::ready(()) => false,
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        std::future::pending::<()>().await;
    }
}

/// The signals that this process ignores, as the kernel's bit mask.
fn ignored_signals(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_ignored(mask: u64, kind: SignalKind) -> bool {
    let bit = u32::try_from(kind.as_raw_value() - 1).expect("signals count from 1");
    mask >> bit & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `timeout` does; it used to cut short what was being taken back.
    #[tokio::test]
    async fn an_echo_of_a_signal_is_not_a_second_one() {
        let kill = || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        let mut signals = Signals::listen().expect("signals");
        kill().expect("a signal");
        signals.next().await;
        kill().expect("its echo");
        let mut again = std::pin::pin!(once_more(&mut signals));
        assert!(tokio::time::timeout(ECHO * 3, &mut again).await.is_err(), "the echo counted");
        kill().expect("a second one");
        again.await;
    }

    #[test]
    fn signals_that_are_switched_off_are_seen() {
        // What `nohup` and a Rust program (SIGPIPE) leave.
        let mask = ignored_signals("Name:\tagent\nSigIgn:\t0000000000001001\nSigCgt:\t0\n");
        assert!(is_ignored(mask, SignalKind::hangup()));
        assert!(is_ignored(mask, SignalKind::pipe()));
        assert!(!is_ignored(mask, SignalKind::interrupt()));
        assert_eq!(ignored_signals(""), 0);
    }
}
