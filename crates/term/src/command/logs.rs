//! `logs`: the journal inside a container.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use berth_core::ContainerName;
use berth_host::exec::Exit;
use berth_host::guests::{Run, Stdio, User};
use berth_host::journal;
use berth_host::printable::printable_line;

use crate::interrupt::Signals;
use crate::{Code, Context, Failure, inside, stdout};

/// Nobody follows a log for longer.
const FOR_EVER: Duration = Duration::from_hours(366 * 24);

/// What is watched while it runs is stderr, so the journal is sent there.
const TO_STDERR: &str = r#"exec "$@" >&2"#;
const TO_STDOUT: &str = r#"exec "$@" 2>&1"#;

/// Which entries are asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Those too that are written from now on.
    pub follow: bool,
    /// How many, the newest ones.
    pub lines: u32,
    /// Of this unit only.
    pub unit: Option<String>,
}

impl Wanted {
    /// Whether the system inside has to run to answer.
    pub fn needs_running(&self) -> bool {
        self.follow || self.unit.is_some()
    }
}

/// Shows the journal of a container that runs, through its own `journalctl`.
pub async fn of_running(container: ContainerName, wanted: &Wanted) -> Result<ExitCode, Failure> {
    let command = journalctl(wanted);
    let exit = if io::stdout().is_terminal() {
        stream_escaped(container, command).await?
    } else {
        stream(container, command).await?
    };
    Ok(exit.shell_code().into())
}

/// Shows the journal that a stopped container has left; `described` is whose it
/// is, for people: ``the agent `x` is stopped``.
pub async fn of_stopped(
    container: ContainerName,
    lines: u32,
    described: &str,
    context: &Context,
) -> Result<ExitCode, Failure> {
    let entries = journal::entries_of_stopped(&context.layout, container, lines).await?;
    if entries.is_empty() {
        context.screen.note(&format!("{described} and has no journal"));
    }
    let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    stdout::print(&lines)?;
    Ok(Code::Ok.into())
}

/// Hands the bytes on as they are, until nobody reads them any more
/// (`agent logs -f x | head`).
async fn stream(container: ContainerName, command: Vec<OsString>) -> Result<Exit, Failure> {
    // What it says beside its output must not act on the terminal either.
    let command = if io::stderr().is_terminal() { through_shell(TO_STDOUT, command) } else { command };
    let run = Run::new(container, User::Root, Stdio::Out, &command, inside::random())?;
    tokio::select! {
        ended = run.run() => Ok(ended?),
        () = stdout::unread() => {
            run.stop_invocation().run_any().await?;
            Ok(Exit::Code(0))
        }
    }
}

/// The command inside.
fn journalctl(wanted: &Wanted) -> Vec<OsString> {
    let mut command =
        vec!["journalctl".to_owned(), "--no-pager".to_owned(), format!("--lines={}", wanted.lines)];
    command.extend(wanted.follow.then(|| "--follow".to_owned()));
    command.extend(wanted.unit.as_ref().map(|unit| format!("--unit={unit}")));
    command.into_iter().map(OsString::from).collect()
}

/// The command with its streams changed by a fixed line of shell.
fn through_shell(line: &str, command: Vec<OsString>) -> Vec<OsString> {
    ["sh", "-c", line, "sh"].map(OsString::from).into_iter().chain(command).collect()
}

/// Shows what the command prints line by line, so that nothing of the
/// container's acts on the terminal.
async fn stream_escaped(container: ContainerName, command: Vec<OsString>) -> Result<Exit, Failure> {
    let command = through_shell(TO_STDERR, command);
    let run = Run::new(container, User::Root, Stdio::Out, &command, inside::random())?;
    let mut signals = Signals::listen()?;
    // A terminal that is gone takes us with it; nothing else can go wrong.
    let show = |line: &str| drop(stdout::print(&format!("{}\n", printable_line(line))));
    tokio::select! {
        ended = run.invocation().deadline(FOR_EVER).keep(0).run_watched(&show) => Ok(ended?.exit),
        () = signals.next() => {
            run.stop_invocation().run_any().await?;
            Ok(Exit::Code(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_cannot_pass_for_an_option() {
        let wanted = Wanted { follow: true, lines: 7, unit: Some("--file=/etc/shadow".to_owned()) };
        let command = ["journalctl", "--no-pager", "--lines=7", "--follow", "--unit=--file=/etc/shadow"];
        assert_eq!(journalctl(&wanted), command.map(OsString::from));
    }
}
