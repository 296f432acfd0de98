//! Running a command inside, as `agent run` does.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use berth_core::guest::AGENT_USER;
use berth_core::{ContainerName, Kind};
use thiserror::Error;

use crate::exec::{ExecError, Exit, Invocation, Stdin, unexpanded};
use crate::printable::printable_line;

/// Where programs are looked for when the system inside has no NixOS
/// environment to read. (`ExecSearchPath` would do, but systemd 252 refuses
/// every value of it on a transient unit.)
const SEARCH_PATH: &str = "/run/wrappers/bin:/run/current-system/sw/bin:\
                           /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Takes over the environment that a login gets on NixOS, and runs the
/// command. The text is fixed: the command comes as arguments. A shell, because
/// it says what it did not find, with the exit codes 126 and 127 that everybody
/// knows; systemd alone would answer 203 in silence.
const AS_LOGIN: &str = "if [ -r /etc/set-environment ]; then . /etc/set-environment; fi; ";

/// The shell stays, for commands that a signal ends: to systemd a service that
/// dies of HUP, INT or TERM has succeeded, and `systemd-run` ends with 0. The
/// shell itself outlives these; the command has them at their defaults. `exec`
/// runs programs only, so that `echo` is not what this shell has built in. What
/// the shell says of a command that a signal ended (`Terminated`) is nothing
/// that the command has written, and goes nowhere.
const PLAINLY: &str = r#"trap : HUP INT TERM; { (exec 2>&3 3>&-; exec "$@"); exit $?; } 3>&2 2>/dev/null"#;

/// Makes the terminal the controlling one, so that Ctrl-C and `/dev/tty` work.
/// `setsid --wait` would call a command that Ctrl-C ended an error, with a code
/// of its own; in the subshell, which leads no group, it becomes the command.
///
/// The terminal is a pair of Berth's own, not one that `systemd-run --pty`
/// makes: with `--machine` that fails in systemd 252.39 and in 254 to 256
/// (<https://github.com/systemd/systemd/pull/33216>). Its name does not exist
/// inside, so what asks for the name (`tty`, tmux) goes without: use ssh.
const AT_TERMINAL: &str =
    r#"trap : HUP INT TERM; { (exec 2>&3 3>&- <&1; exec setsid --ctty "$@"); exit $?; } 3>&2 2>/dev/null"#;

/// The user inside whom a preview's services run as.
const PREVIEW_USER: &str = "preview";

/// How much of the command's name the journal inside shows.
const SHOWN_MAX: usize = 60;

/// How long the unit of an interrupted run may take to stop: as long as
/// systemd gives it before it kills, and a little more.
const STOP: Duration = Duration::from_secs(100);

/// As whom a command runs inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Container root.
    Root,
    /// The one whom the container is for: who works in an agent, and whom the
    /// services of a preview run as.
    Own,
}

/// What the command is connected to. None of our own descriptors is handed
/// over in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// Nothing to read; our stdout and stderr.
    Out,
    /// Our stdin, stdout and stderr.
    Pipe,
    /// A terminal of its own that looks like ours, of this kind (`TERM`).
    Terminal(String),
}

/// A command to be run inside, as a unit of the container's own systemd.
#[derive(Clone, Debug)]
pub struct Run {
    container: ContainerName,
    user: User,
    stdio: Stdio,
    argv: Vec<String>,
    unit: String,
}

/// Why a command cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RunError {
    /// There is none.
    #[error("there is no command to run: give one after `--`")]
    Empty,
    /// It cannot be sent to the container's systemd.
    #[error("argument {0:?} is not UTF-8, and systemd takes no other")]
    NotUtf8(OsString),
}

impl Run {
    /// A command for this user. `random` tells apart the units of all runs in
    /// one container.
    pub fn new(
        container: ContainerName,
        user: User,
        stdio: Stdio,
        argv: &[OsString],
        random: u64,
    ) -> Result<Self, RunError> {
        if argv.is_empty() {
            return Err(RunError::Empty);
        }
        let text =
            |arg: &OsString| arg.to_str().map(str::to_owned).ok_or_else(|| RunError::NotUtf8(arg.clone()));
        let argv = argv.iter().map(text).collect::<Result<_, _>>()?;
        Ok(Self { container, user, stdio, argv, unit: format!("berth-run-{random:016x}.service") })
    }

    /// Runs it to its end and passes its exit on. If we are told to end before
    /// (INT, QUIT, TERM, HUP), all that it started inside has ended too when
    /// this returns.
    pub async fn run(&self) -> Result<Exit, ExecError> {
        let relayed = match self.stdio {
            Stdio::Out => self.invocation().relay().await?,
            Stdio::Pipe => self.invocation().stdin(Stdin::Inherit).relay().await?,
            Stdio::Terminal(_) => self.invocation().relay_terminal().await?,
        };
        if relayed.was_interrupted || matches!(relayed.exit, Exit::Signal(_)) {
            // The client has ended. The unit may have, too, by itself.
            self.stop_invocation().run_any().await?;
        }
        Ok(relayed.exit)
    }

    /// The call of [`run`](Self::run), for other ways to run it. When the
    /// client ends early the command goes on inside until
    /// [`stop_invocation`](Self::stop_invocation) has run.
    pub fn invocation(&self) -> Invocation {
        let user = match (self.user, self.container.kind()) {
            (User::Root, Kind::Agent | Kind::Preview) => "root",
            (User::Own, Kind::Agent) => AGENT_USER,
            (User::Own, Kind::Preview) => PREVIEW_USER,
        };
        let run = Invocation::new("systemd-run")
            .args(["--quiet", "--machine", &self.container.to_string(), "--uid", user])
            .args(["--wait", "--collect", "--pipe", "--unit", &self.unit])
            .args(["--description", &self.description()])
            // No `LogLevelMax`, which would hide that we came and went: journald
            // then also drops what the command itself logs.
            .arg("--property=WorkingDirectory=~")
            .arg(format!("--setenv=PATH={SEARCH_PATH}"));
        let (run, become_command) = match &self.stdio {
            Stdio::Out | Stdio::Pipe => (run, PLAINLY),
            Stdio::Terminal(term) => (run.arg(format!("--setenv=TERM={term}")), AT_TERMINAL),
        };
        // The one program whose path every distribution has, NixOS too.
        run.args(["--", "/bin/sh", "-c", &unexpanded(&format!("{AS_LOGIN}{become_command}")), "sh"])
            .args(self.argv.iter().map(|arg| unexpanded(arg)))
            .aim(format!("run {} in {}", self.argv[0], self.container))
    }

    /// What the units inside are listed as, without arguments.
    fn description(&self) -> String {
        let command: String = printable_line(&self.argv[0]).chars().take(SHOWN_MAX).collect();
        format!("{} run {command}", self.container.kind().as_str())
    }

    /// Stops it and all that it has started. That it has ended already is no
    /// failure to worry about: use [`Invocation::run_any`].
    pub fn stop_invocation(&self) -> Invocation {
        Invocation::new("systemctl")
            .args(["--machine", &self.container.to_string(), "stop", "--", &self.unit])
            .aim(format!("stop {} in {}", self.argv[0], self.container))
            .deadline(STOP)
    }

    /// The unit inside.
    pub fn unit(&self) -> &OsStr {
        self.unit.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(user: User, stdio: Stdio, argv: &[&str]) -> Run {
        let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
        Run::new("a12".parse().expect("a container"), user, stdio, &argv, 0x2a).expect("a command")
    }

    #[test]
    fn a_run_is_this_call() {
        let piped = run(User::Own, Stdio::Pipe, &["printf", "%s\n", "$HOME", "a b"]);
        insta::assert_snapshot!(piped.invocation().call());
        insta::assert_snapshot!(piped.stop_invocation().call(), @"systemctl --machine a12 stop -- berth-run-000000000000002a.service");
    }

    #[test]
    fn a_run_at_a_terminal_is_this_call() {
        let at_terminal = run(User::Root, Stdio::Terminal("xterm-256color".to_owned()), &["htop"]);
        insta::assert_snapshot!(at_terminal.invocation().call());
    }

    #[test]
    fn in_a_preview_commands_run_as_its_services_do() {
        let argv = ["id".into()];
        let run = Run::new("p7".parse().expect("a container"), User::Own, Stdio::Pipe, &argv, 0x2a);
        let call = run.expect("a command").invocation().call().to_string();
        assert!(call.contains("--machine p7 --uid preview "), "{call}");
        assert!(call.contains("'preview run id'"), "{call}");
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let new =
            |argv: &[OsString]| Run::new("a1".parse().expect("a container"), User::Own, Stdio::Pipe, argv, 0);
        assert_eq!(new(&[]).expect_err("nothing to run"), RunError::Empty);
        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        assert_eq!(new(std::slice::from_ref(&bytes)).expect_err("no text"), RunError::NotUtf8(bytes));
    }
}
