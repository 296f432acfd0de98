//! Running a command inside, as `agent run` does.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use berth_core::ContainerName;
use berth_core::guest::{AGENT_USER, Owner};
use thiserror::Error;

use crate::exec::Invocation;

/// Where programs are looked for until the system inside says otherwise: NixOS
/// first, then what other distributions use.
const SEARCH_PATH: &str = "/run/wrappers/bin:/run/current-system/sw/bin:\
                           /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Takes over the environment that a login gets on NixOS, and becomes the
/// command. The text is fixed: the command comes as arguments. A shell, because
/// it says what it did not find, with the exit codes 126 and 127 that everybody
/// knows; systemd alone would answer 203 in silence.
const AS_LOGIN: &str = r#"if [ -r /etc/set-environment ]; then . /etc/set-environment; fi; exec "$@""#;

/// How long the unit of an interrupted run may take to stop: as long as
/// systemd gives it before it kills, and a little more.
const STOP: Duration = Duration::from_secs(100);

/// What the command is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// Our stdin, stdout and stderr as they are.
    Pipe,
    /// A terminal of its own, of this kind (`TERM`).
    Terminal(OsString),
}

/// A command to be run inside, as a unit of the container's own systemd.
#[derive(Clone, Debug)]
pub struct Run {
    container: ContainerName,
    user: Owner,
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
        user: Owner,
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

    /// Runs it, for [`Invocation::stream`]: the exit code is the command's own.
    /// When that is interrupted the command goes on inside until
    /// [`stop_invocation`](Self::stop_invocation) has run.
    pub fn invocation(&self) -> Invocation {
        let user = match self.user {
            Owner::Root => "root",
            Owner::Agent => AGENT_USER,
        };
        let run = Invocation::new("systemd-run")
            .args(["--quiet", "--machine", &self.container.to_string(), "--uid", user])
            .args(["--wait", "--collect", "--unit", &self.unit])
            .args(["--property=WorkingDirectory=~", &format!("--property=ExecSearchPath={SEARCH_PATH}")]);
        let run = match &self.stdio {
            Stdio::Pipe => run.arg("--pipe"),
            // Newer ones tint the terminal and retitle it.
            Stdio::Terminal(term) => run
                .arg("--pty")
                .env("TERM", term)
                .env("SYSTEMD_TINT_BACKGROUND", "0")
                .env("SYSTEMD_ADJUST_TERMINAL_TITLE", "0"),
        };
        run.args(["--", "sh", "-c", &unexpanded(AS_LOGIN), "sh"])
            .args(self.argv.iter().map(|arg| unexpanded(arg)))
            .aim(format!("run {} in {}", self.argv[0], self.container))
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

/// An argument as it must be given to systemd, which replaces `$NAME` and
/// `${NAME}` in commands. Not needed for `%`: only unit files have that.
fn unexpanded(arg: &str) -> String {
    arg.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(user: Owner, stdio: Stdio, argv: &[&str]) -> Run {
        let argv: Vec<OsString> = argv.iter().map(Into::into).collect();
        Run::new("a12".parse().expect("a container"), user, stdio, &argv, 0x2a).expect("a command")
    }

    #[test]
    fn a_run_is_this_call() {
        let piped = run(Owner::Agent, Stdio::Pipe, &["printf", "%s\n", "$HOME", "a b"]);
        insta::assert_snapshot!(piped.invocation().call());
        insta::assert_snapshot!(piped.stop_invocation().call(), @"systemctl --machine a12 stop -- berth-run-000000000000002a.service");
    }

    #[test]
    fn a_run_at_a_terminal_is_this_call() {
        let at_terminal = run(Owner::Root, Stdio::Terminal("xterm-256color".into()), &["htop"]);
        insta::assert_snapshot!(at_terminal.invocation().call());
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let new = |argv: &[OsString]| {
            Run::new("a1".parse().expect("a container"), Owner::Agent, Stdio::Pipe, argv, 0)
        };
        assert_eq!(new(&[]).expect_err("nothing to run"), RunError::Empty);
        let bytes = OsString::from_vec(vec![b'a', 0xff]);
        assert_eq!(new(std::slice::from_ref(&bytes)).expect_err("no text"), RunError::NotUtf8(bytes));
    }
}
