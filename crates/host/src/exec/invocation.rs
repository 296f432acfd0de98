//! What to run, and the two captured ways to run it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tracing::debug;

use super::child::Running;
use super::error::ExecError;
use super::lines::Watcher;
use super::output::{self, Exit, Output, Tail};

/// Where tools are looked for: NixOS first, then what other distributions use.
pub(crate) const PATH: &str = "/run/current-system/sw/bin:/run/wrappers/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Deadline of a tool whose invocation names none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// How much of stdout and stderr each is kept when the invocation says nothing.
const DEFAULT_KEEP: usize = 1 << 20;

/// How long output is awaited after the tool itself has ended: a grandchild
/// that lives on may hold the pipe open for ever.
pub(super) const DRAIN: Duration = Duration::from_secs(1);

/// How much later than by us a child is ended that ends without us: it is for
/// us to do, and to tell.
const LEASH: Duration = Duration::from_secs(3);

/// What a child reads.
#[derive(Default)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Null,
    /// These bytes, then the end. The way in for secrets: never logged.
    Bytes(Vec<u8>),
    /// An open file, at its offset.
    File(File),
    /// Our own stdin.
    Inherit,
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::File(_) => f.write_str("File"),
            Self::Inherit => f.write_str("Inherit"),
        }
    }
}

/// What was called and why: the part of an invocation that errors show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Completes the sentence "could not …".
    pub aim: String,
    /// Program and arguments.
    pub argv: Vec<OsString>,
}

impl Call {
    /// The program as it was named.
    pub fn program(&self) -> String {
        self.argv.first().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// The argument vector, quoted as a shell would need it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.argv.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", quote(arg))?;
        }
        Ok(())
    }
}

fn quote(arg: &OsStr) -> String {
    let text = arg.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,@+-%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    let visible: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    format!("'{}'", visible.replace('\'', r"'\''"))
}

/// A program, its arguments and the terms on which it runs.
#[derive(Debug)]
#[must_use = "an invocation does nothing until it is run"]
pub struct Invocation {
    argv: Vec<OsString>,
    aim: Option<String>,
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    stdin: Stdin,
    deadline: Duration,
    keep: usize,
    user: Option<(u32, u32)>,
    outlives_us: bool,
}

impl Invocation {
    /// A program, looked for in the fixed search path unless it has a slash.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            argv: vec![program.into()],
            aim: None,
            env: Vec::new(),
            dir: PathBuf::from("/"),
            stdin: Stdin::Null,
            deadline: DEFAULT_DEADLINE,
            keep: DEFAULT_KEEP,
            user: None,
            outlives_us: true,
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// More arguments. Never a secret: arguments are logged and visible in
    /// `ps`.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// Why it runs, completing "could not …": `start the container`.
    pub fn aim(mut self, aim: impl Into<String>) -> Self {
        self.aim = Some(aim.into());
        self
    }

    /// One more variable of the environment. Never a secret.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The folder it starts in; `/` unless given.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }

    /// What it reads; nothing unless given.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// How long it may take; 30 seconds unless given. Without meaning for
    /// [`stream`](Self::stream) and [`replace`](Self::replace).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many bytes of stdout and stderr each are kept; 1 MiB unless given.
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// Runs as this user and group, without other groups and capabilities.
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some((uid, gid));
        self
    }

    /// Ends at its deadline also when we were killed before. For what asks a
    /// container: a hostile one never answers, and a child that waits for it
    /// holds the locks that it has inherited.
    pub fn ends_without_us(mut self) -> Self {
        self.outlives_us = false;
        self
    }

    /// What errors will show.
    pub fn call(&self) -> Call {
        Call {
            aim: self.aim.clone().unwrap_or_else(|| format!("run {}", self.argv[0].to_string_lossy())),
            argv: self.argv.clone(),
        }
    }

    /// Runs it to its end with captured output.
    ///
    /// Fails when it could not start, ended with anything but zero, or was
    /// still running at the deadline; then its whole process group is gone
    /// before this returns.
    pub async fn run(self) -> Result<Output, ExecError> {
        self.run_any().await?.success()
    }

    /// Like [`run`](Self::run), but any exit is a result for the caller to
    /// judge.
    pub async fn run_any(self) -> Result<Output, ExecError> {
        self.capture(None).await
    }

    /// Like [`run_any`](Self::run_any), and tells each line of stderr as it
    /// comes.
    pub async fn run_watched(self, watcher: Watcher<'_>) -> Result<Output, ExecError> {
        self.capture(Some(watcher)).await
    }

    async fn capture(mut self, watcher: Option<Watcher<'_>>) -> Result<Output, ExecError> {
        let call = Arc::new(self.call());
        debug!(argv = %call, "starting");
        let (source, input) = split(self.take_stdin());
        let mut command = self.command();
        command.stdin(source).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut running = Running::start(command, &call, true)?;
        let (mut out, mut err) = (Tail::new(self.keep), Tail::new(self.keep));
        let work =
            tokio::time::timeout(self.deadline, collect(&mut running, input, &mut out, &mut err, watcher));
        let Ok(waited) = work.await else {
            running.stop().await;
            return Err(ExecError::Deadline { call, after: self.deadline, stderr: err.finish() });
        };
        let exit = waited.map_err(|source| ExecError::Wait { call: Arc::clone(&call), source })?;
        debug!(argv = %call, %exit, "ended");
        Ok(Output { call, exit, stdout: out.finish(), stderr: err.finish() })
    }

    /// The standard library's command on these terms, stdio not yet chosen.
    pub(super) fn command(&self) -> Command {
        let mut command = if self.outlives_us { Command::new(&self.argv[0]) } else { self.on_a_leash() };
        command.args(&self.argv[1..]).env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8");
        command.env("HOME", if self.user.is_some() { "/" } else { "/root" });
        command.envs(self.env.iter().map(|(name, value)| (name, value))).current_dir(&self.dir);
        if let Some((uid, gid)) = self.user {
            // The standard library empties the supplementary groups when it
            // changes the user.
            command.gid(gid).uid(uid);
        }
        command
    }

    /// The program under `timeout`, which counts without us; by itself where
    /// either is missing, so that the error names the right one.
    fn on_a_leash(&self) -> Command {
        let program = &self.argv[0];
        let is_there = |program: &OsStr| program.to_str().is_some_and(|name| super::find(name).is_some());
        if !is_there(program) || !is_there(OsStr::new("timeout")) {
            return Command::new(program);
        }
        let mut command = Command::new("timeout");
        let after = self.deadline + LEASH;
        command.arg("--signal=KILL").arg(format!("{}s", after.as_secs_f64())).arg(program);
        command
    }

    pub(super) fn take_stdin(&mut self) -> Stdin {
        std::mem::take(&mut self.stdin)
    }
}

/// Splits a stdin into what the child gets and what must be written to it.
pub(super) fn split(stdin: Stdin) -> (Stdio, Option<Vec<u8>>) {
    match stdin {
        Stdin::Null => (Stdio::null(), None),
        Stdin::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
        Stdin::File(file) => (file.into(), None),
        Stdin::Inherit => (Stdio::inherit(), None),
    }
}

async fn collect(
    running: &mut Running,
    input: Option<Vec<u8>>,
    out: &mut Tail,
    err: &mut Tail,
    watcher: Option<Watcher<'_>>,
) -> io::Result<Exit> {
    let (stdin, stdout, stderr) = running.pipes();
    let transfer = async {
        tokio::join!(feed(stdin, input), output::read(stdout, out, None), output::read(stderr, err, watcher));
    };
    tokio::pin!(transfer);
    let mut is_drained = false;
    let exit = loop {
        tokio::select! {
            exit = running.wait() => break exit?,
            () = &mut transfer, if !is_drained => is_drained = true,
        }
    };
    if !is_drained {
        let _ = tokio::time::timeout(DRAIN, transfer).await;
    }
    Ok(exit)
}

/// Writes all input and closes it. A child that stops reading early is not
/// wrong: its exit code tells.
pub(super) async fn feed(stdin: Option<ChildStdin>, input: Option<Vec<u8>>) {
    if let (Some(mut pipe), Some(bytes)) = (stdin, input) {
        let _ = pipe.write_all(&bytes).await;
        let _ = pipe.shutdown().await;
    }
}
