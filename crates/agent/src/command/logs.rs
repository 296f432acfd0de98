//! `agent logs`.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use berth_core::guest::Owner;
use berth_core::{ContainerName, Name, Shown};
use berth_host::exec::Exit;
use berth_host::guests::{Run, Stdio};
use berth_host::journal;
use berth_host::printable::printable_line;
use berth_term::interrupt::Signals;
use berth_term::{Code, Failure, stdout};

use super::running;
use crate::context::Context;

/// Nobody follows a log for longer.
const FOR_EVER: Duration = Duration::from_hours(366 * 24);

/// What is watched while it runs is stderr, so the journal is sent there.
const TO_STDERR: &str = r#"exec "$@" >&2"#;
const TO_STDOUT: &str = r#"exec "$@" 2>&1"#;

const EXAMPLES: &str = "\
On a terminal, control characters in the messages are made visible.

Examples:
  agent logs fix-login
  agent logs fix-login -f --unit sshd.service
  agent logs fix-login -n 10000 > fix-login.log";

/// Show the journal of an agent, also of one that is stopped
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agent
    name: Name,

    /// Go on with what is written from now on; needs an agent that runs
    #[arg(short, long)]
    follow: bool,

    /// How many entries, the newest ones
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..))]
    lines: u32,

    /// Only those of this unit inside; needs an agent that runs
    #[arg(short, long, value_name = "UNIT")]
    unit: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let (record, state) = running::look(&host, &args.name).await?;
    let is_running = matches!(state, Shown::Running | Shown::Degraded);
    if !is_running && (args.follow || args.unit.is_some()) {
        return Err(running::not_running(context.program(), &args.name, state));
    }
    host.state.close().await;
    if is_running {
        show_running(record.container, journalctl(&args)).await
    } else {
        show_stopped(&args, record.container, state, context).await
    }
}

async fn show_running(container: ContainerName, command: Vec<OsString>) -> Result<ExitCode, Failure> {
    let exit = if io::stdout().is_terminal() {
        stream_escaped(container, command).await?
    } else {
        stream(container, command).await?
    };
    Ok(exit.shell_code().into())
}

/// Hands the bytes on as they are, until nobody reads them any more
/// (`agent logs -f x | head`).
async fn stream(container: ContainerName, command: Vec<OsString>) -> Result<Exit, Failure> {
    // What it says beside its output must not act on the terminal either.
    let command = if io::stderr().is_terminal() { through_shell(TO_STDOUT, command) } else { command };
    let run = Run::new(container, Owner::Root, Stdio::Out, &command, running::random())?;
    tokio::select! {
        ended = run.run() => Ok(ended?),
        () = stdout::unread() => {
            run.stop_invocation().run_any().await?;
            Ok(Exit::Code(0))
        }
    }
}

async fn show_stopped(
    args: &Args,
    container: ContainerName,
    state: Shown,
    context: &Context,
) -> Result<ExitCode, Failure> {
    let entries = journal::entries_of_stopped(&context.layout, container, args.lines).await?;
    if entries.is_empty() {
        context.screen.note(&format!("the agent `{}` is {state} and has no journal", args.name));
    }
    let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    stdout::print(&lines)?;
    Ok(Code::Ok.into())
}

/// The command inside.
fn journalctl(args: &Args) -> Vec<OsString> {
    let mut command =
        vec!["journalctl".to_owned(), "--no-pager".to_owned(), format!("--lines={}", args.lines)];
    command.extend(args.follow.then(|| "--follow".to_owned()));
    command.extend(args.unit.as_ref().map(|unit| format!("--unit={unit}")));
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
    let run = Run::new(container, Owner::Root, Stdio::Out, &command, running::random())?;
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
        let args = Args {
            name: "x".parse().expect("a name"),
            follow: true,
            lines: 7,
            unit: Some("--file=/etc/shadow".to_owned()),
        };
        let command = ["journalctl", "--no-pager", "--lines=7", "--follow", "--unit=--file=/etc/shadow"];
        assert_eq!(journalctl(&args), command.map(OsString::from));
    }
}
