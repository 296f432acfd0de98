//! Programs that run inside the host, and what they print.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process, kill_process_group};

use crate::process::{ProcessId, children, inner_pid, to_pid};
use crate::wait::poll;

/// How long output may still come after the program itself has ended, from
/// whatever it left in the background.
const LATE_OUTPUT: Duration = Duration::from_secs(2);

/// A program that was started inside the host.
#[derive(Debug)]
pub struct Running {
    description: String,
    deadline: Duration,
    child: Child,
    outer: Option<ProcessId>,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    /// Starts nsenter with the program.
    #[track_caller]
    pub(crate) fn spawn(
        mut command: Command,
        description: String,
        input: Vec<u8>,
        deadline: Duration,
    ) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            // Its own group, so that a signal reaches all of it and none of us.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("could not start nsenter for {description}: {error}"));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        thread::spawn(move || {
            // A program that does not read its input is no failure.
            let _ = stdin.write_all(&input);
        });
        Self {
            description,
            deadline,
            stdout: Collected::from(child.stdout.take().expect("stdout is piped")),
            stderr: Collected::from(child.stderr.take().expect("stderr is piped")),
            outer: ProcessId::of(child.id()),
            child,
        }
    }

    /// The program's id inside the host.
    ///
    /// # Panics
    /// If it has ended already.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        let inner = self.inner().and_then(|process| inner_pid(process.pid));
        inner.unwrap_or_else(|| panic!("{} has ended already", self.description))
    }

    /// Sends a signal to the program itself, not to what it started.
    pub fn signal(&self, signal: Signal) {
        if let Some(inner) = self.inner() {
            inner.signal(signal);
        }
    }

    /// Sends a signal to the program's whole process group, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        if let Some(group) = self.outer.filter(|outer| outer.is_alive()).and_then(|outer| to_pid(outer.pid)) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// What it has printed on stdout so far.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed on stderr so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it is not finished by the deadline; it is killed then.
    #[track_caller]
    pub fn wait(self) -> Output {
        let inner = self.inner();
        let group = self.outer.and_then(|outer| to_pid(outer.pid));
        let mut child = self.child;
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait()));
        let status = match ended.recv_timeout(self.deadline) {
            Ok(status) => status.expect("a child can be waited for"),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                if let Some(inner) = inner.and_then(|inner| to_pid(inner.pid)) {
                    let _ = kill_process(inner, Signal::KILL);
                }
                if let Some(group) = group {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                panic!(
                    "{} was not finished after {:?} and was killed\nstdout: {}\nstderr: {}",
                    self.description,
                    self.deadline,
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
        };
        poll(LATE_OUTPUT, || self.stdout.is_complete() && self.stderr.is_complete());
        Output {
            description: self.description,
            status,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// The program inside: the child of nsenter. There is a moment before it
    /// exists.
    fn inner(&self) -> Option<ProcessId> {
        let outer = self.outer?;
        let mut inner = None;
        poll(Duration::from_mins(1), || {
            inner = children(outer.pid).into_iter().find_map(ProcessId::of);
            inner.is_some() || !outer.is_alive()
        });
        inner
    }
}

/// How a program ended and what it printed.
#[derive(Debug, Clone)]
pub struct Output {
    description: String,
    status: ExitStatus,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl Output {
    /// The exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Whether the exit code is zero.
    pub fn is_success(&self) -> bool {
        self.status.success()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ended with {}\nstdout: {}\nstderr: {}",
            self.description, self.status, self.stdout, self.stderr
        )
    }
}

/// Bytes of a stream, collected by a thread.
#[derive(Debug, Clone, Default)]
struct Collected {
    bytes: Arc<Mutex<(Vec<u8>, bool)>>,
}

impl Collected {
    fn from(mut stream: impl Read + Send + 'static) -> Self {
        let collected = Self::default();
        let bytes = Arc::clone(&collected.bytes);
        thread::spawn(move || {
            let mut buffer = [0; 8 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                bytes.lock().expect("no holder panics").0.extend_from_slice(&buffer[..length]);
            }
            bytes.lock().expect("no holder panics").1 = true;
        });
        collected
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no holder panics").0).into_owned()
    }

    fn is_complete(&self) -> bool {
        self.bytes.lock().expect("no holder panics").1
    }
}
