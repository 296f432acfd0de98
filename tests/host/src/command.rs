//! Programs inside the host.

use std::ffi::OsString;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::boot::TestHost;
use crate::running::{Output, Running};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_DEADLINE: Duration = Duration::from_mins(2);

/// Moves itself into the cgroup of its first argument, then becomes the rest.
/// Signals that whoever started the tests has switched off (`nohup`, a job in
/// the background) are on again: tests send them.
const ENTER: &str = r#"echo 0 >"$1/cgroup.procs" && shift && unset PWD && exec env --default-signal "$@""#;

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
        Running::spawn(self.outer_command(), self.description(), self.stdin, self.deadline)
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
        // With its root: the namespace alone is not enough when we are in a chroot.
        command.args(["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]);
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
