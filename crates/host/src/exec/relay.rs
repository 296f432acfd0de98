//! Children that read and write what we do, and get none of our descriptors.
//!
//! For what runs inside a container. A descriptor that is handed over can be
//! kept: whoever holds our terminal reads what is typed into it later and
//! writes to it as the host, and a folder leads out of the container. So each
//! stream gets a pipe, or all together a terminal that exists for them only,
//! and we carry the bytes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::pty::OpenptFlags;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use tokio::time::sleep;
use tracing::debug;

use super::child::Running;
use super::error::ExecError;
use super::invocation::{Call, DRAIN, Invocation, Stdin, feed, split};
use super::output::Exit;
use super::stream::Signals;

/// How a relayed child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Its exit, whatever it is.
    pub exit: Exit,
    /// Whether we were told to end and passed that on: then it may have left
    /// work behind.
    pub was_interrupted: bool,
}

impl Invocation {
    /// Runs it with pipes to our stdout and stderr (and from our stdin, where
    /// [`Stdin::Inherit`] was chosen) until it ends by itself; no deadline. INT,
    /// QUIT, TERM and HUP are forwarded.
    pub async fn relay(mut self) -> Result<Relayed, ExecError> {
        let call = Arc::new(self.call());
        debug!(argv = %call, "relaying");
        let start = |source| ExecError::Start { call: Arc::clone(&call), source };
        let (out, child_out) = io::pipe().map_err(start)?;
        let (err, child_err) = io::pipe().map_err(start)?;
        let mut command = self.command();
        command.stdout(child_out).stderr(child_err).process_group(0);
        let (source, bytes) = match self.take_stdin() {
            Stdin::Inherit => {
                let (child_in, input) = io::pipe().map_err(start)?;
                carry(descriptor(io::stdin()).map_err(start)?, input);
                (Stdio::from(child_in), None)
            }
            chosen => split(chosen),
        };
        command.stdin(source);
        let signals = Signals::listen().map_err(start)?;
        let mut running = Running::start(command, &call, true)?;
        let (stdin, ..) = running.pipes();
        let feeding = tokio::spawn(feed(stdin, bytes));
        let carriers = [
            carry(out, descriptor(io::stdout()).map_err(start)?),
            carry(err, descriptor(io::stderr()).map_err(start)?),
        ];
        let exit = until_end(&mut running, signals, None, &call).await;
        feeding.abort();
        drain(carriers).await;
        exit
    }

    /// Runs it at a terminal of its own that looks like ours: what is typed at
    /// ours goes to it byte by byte, and the size follows. No deadline; TERM
    /// and HUP are forwarded, and Ctrl-C reaches the child as a byte.
    ///
    /// Our stdin and stdout must be one terminal. It is as it was afterwards.
    ///
    /// The child gets it as stdout and stderr, and reads from them. Its stdin is
    /// empty: a container's systemd wants to own a terminal that it is given
    /// there, and may not (`STDIN`, 208).
    pub async fn relay_terminal(self) -> Result<Relayed, ExecError> {
        let call = Arc::new(self.call());
        debug!(argv = %call, "relaying a terminal");
        let start = |source| ExecError::Start { call: Arc::clone(&call), source };
        let pty = Pty::open().map_err(start)?;
        pty.follow_size();
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(pty.end().map_err(start)?).stderr(pty.end().map_err(start)?);
        command.process_group(0);
        let signals = Signals::listen().map_err(start)?;
        let resized = signal(SignalKind::window_change()).map_err(start)?;
        let raw = Raw::enter().map_err(start)?;
        let mut running = Running::start(command, &call, true)?;
        let carrier = {
            carry(descriptor(io::stdin()).map_err(start)?, descriptor(&pty.controller).map_err(start)?);
            carry(descriptor(&pty.controller).map_err(start)?, descriptor(io::stdout()).map_err(start)?)
        };
        let exit = until_end(&mut running, signals, Some((resized, &pty)), &call).await;
        drain([carrier]).await;
        drop(raw);
        exit
    }
}

/// Waits for the end, forwarding signals and the size of our terminal.
async fn until_end(
    running: &mut Running,
    mut signals: Signals,
    mut resized: Option<(Listener, &Pty)>,
    call: &Arc<Call>,
) -> Result<Relayed, ExecError> {
    let mut was_interrupted = false;
    loop {
        let resizing = async {
            match &mut resized {
                Some((listener, pty)) => {
                    listener.recv().await;
                    pty.follow_size();
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            exit = running.wait() => {
                let exit = exit.map_err(|source| ExecError::Wait { call: Arc::clone(call), source })?;
                return Ok(Relayed { exit, was_interrupted });
            }
            signal = signals.next(false) => {
                was_interrupted = true;
                running.signal(signal);
            }
            () = resizing => {}
        }
    }
}

/// A pair of ends that is nobody's terminal yet.
struct Pty {
    controller: OwnedFd,
}

impl Pty {
    fn open() -> io::Result<Self> {
        let controller = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&controller)?;
        rustix::pty::unlockpt(&controller)?;
        Ok(Self { controller })
    }

    /// The child's end.
    fn end(&self) -> io::Result<Stdio> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        Ok(rustix::pty::ioctl_tiocgptpeer(&self.controller, flags)?.into())
    }

    /// Takes over the size of our terminal; a terminal without one keeps the
    /// child's as it is.
    fn follow_size(&self) {
        if let Ok(size) = termios::tcgetwinsize(io::stdout()) {
            let _ = termios::tcsetwinsize(&self.controller, size);
        }
    }
}

/// Our terminal without echo, lines and signals of its own, until it is
/// dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// A descriptor of our own to read or write without locks and buffers.
fn descriptor(stream: impl AsFd) -> io::Result<File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

/// A thread that carries bytes from one side to the other.
struct Carrier {
    thread: JoinHandle<()>,
    is_writing: Arc<AtomicBool>,
}

/// Carries bytes until either side is closed. A thread, because reading a
/// terminal cannot be cancelled: the one that waits for stdin ends with us.
fn carry(mut from: impl Read + Send + 'static, mut to: impl Write + Send + 'static) -> Carrier {
    let is_writing = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&is_writing);
    let thread = thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            tell.store(true, Ordering::Relaxed);
            if to.write_all(&chunk[..count]).is_err() {
                return;
            }
            tell.store(false, Ordering::Relaxed);
        }
    });
    Carrier { thread, is_writing }
}

/// Waits until what the child has said is written, however slow our reader is.
/// Only where nothing more comes for a while is it given up: somebody may hold
/// the other end for ever.
async fn drain<const N: usize>(carriers: [Carrier; N]) {
    let mut silent_since = Instant::now();
    while silent_since.elapsed() < DRAIN {
        let mut living = carriers.iter().filter(|carrier| !carrier.thread.is_finished()).peekable();
        if living.peek().is_none() {
            return;
        }
        if living.any(|carrier| carrier.is_writing.load(Ordering::Relaxed)) {
            silent_since = Instant::now();
        }
        sleep(Duration::from_millis(2)).await;
    }
}
