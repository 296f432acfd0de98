//! Programs inside the host.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process, kill_process_group};

use crate::boot::TestHost;
use crate::process::{ProcessId, children, inner_pid, to_pid};
use crate::wait::poll;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_DEADLINE: Duration = Duration::from_mins(2);
/// How long output may still come after the program itself has ended, from
/// whatever it left in the background.
const LATE_OUTPUT: Duration = Duration::from_secs(2);

/// Moves itself into the cgroup of its first argument, then becomes the rest.
const ENTER: &str = r#"echo 0 >"$1/cgroup.procs" && shift && unset PWD && exec "$@""#;

impl TestHost {
    /// A program to run inside the host, as root, with a clean environment.
    pub fn command(&self, program: &str) -> HostCommand<'_> {
        HostCommand {
            host: self,
            words: vec![program.into()],
            environment: Vec::new(),
            user: None,
            stdin: Vec::new(),
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// A line of shell to run inside the host.
    pub fn shell(&self, script: &str) -> HostCommand<'_> {
        self.command("bash").args(["-c", script])
    }
}

/// A program to run inside the host, described step by step.
#[derive(Debug, Clone)]
pub struct HostCommand<'h> {
    host: &'h TestHost,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    user: Option<String>,
    stdin: Vec<u8>,
    deadline: Duration,
}

impl HostCommand<'_> {
    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.words.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.words.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs as this user of the host, with the user's groups and no more.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// What the program reads; nothing by default.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// After this time the program is killed and the test fails; 120 s by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started or is not finished by the deadline.
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Runs it to its end and expects success.
    ///
    /// # Panics
    /// If it fails, with everything it printed.
    #[track_caller]
    pub fn ok(self) -> Output {
        let output = self.run();
        assert!(output.is_success(), "{output}");
        output
    }

    /// Starts it and returns at once.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn spawn(self) -> Running {
        let description = self.description();
        let mut command = self.outer_command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            // Its own group, so that a signal reaches all of it and none of us.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("could not start nsenter for {description}: {error}"));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let bytes = self.stdin;
        thread::spawn(move || {
            // A program that does not read its input is no failure.
            let _ = stdin.write_all(&bytes);
        });
        Running {
            description,
            deadline: self.deadline,
            stdout: Collected::from(child.stdout.take().expect("stdout is piped")),
            stderr: Collected::from(child.stderr.take().expect("stderr is piped")),
            outer: ProcessId::of(child.id()),
            child,
        }
    }

    /// Runs it on our own terminal and streams.
    pub fn interactive(self) -> std::io::Result<ExitStatus> {
        self.outer_command().status()
    }

    fn outer_command(&self) -> Command {
        assert!(self.host.is_up(), "host `{}` has ended; boot it with `./dev host up`", self.host.name());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER, "sh"]).arg(&self.host.command_cgroup);
        command.args(["nsenter", "-t"]).arg(self.host.leader().to_string());
        command.args(["-m", "-u", "-i", "-n", "-p", "-C", "--"]);
        if let Some(user) = &self.user {
            command.args(["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"]);
        }
        command.args(&self.words);
        let user = self.user.as_deref().unwrap_or("root");
        let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
        command
            .env_clear()
            .envs([("PATH", PATH), ("HOME", &home), ("USER", user), ("LOGNAME", user)])
            .envs([("SHELL", "/bin/bash"), ("LANG", "C.UTF-8")])
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn description(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        format!("`{}`", words.join(" "))
    }
}

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
        poll(Duration::from_secs(5), || {
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
