//! `agent run`.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use berth_core::Name;
use berth_core::guest::Owner;
use berth_host::guests::{Run, Stdio};
use berth_term::Failure;

use super::running;
use crate::context::Context;

const EXAMPLES: &str = "\
Examples:
  agent run fix-login -- git status
  agent run fix-login -- sh -c 'cd project && make test'
  agent run fix-login --root -- systemctl status
  tar c . | agent run fix-login -- tar x -C project";

/// Run a command in an agent, without ssh
///
/// The command runs as a unit of the container's own systemd, in the home
/// folder of the user `agent`, with our stdin, stdout and stderr, and with a
/// terminal of its own when stdin and stdout are terminals. Its exit code is
/// ours. It ends when we are interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agent
    name: Name,

    /// Run it as root of the container
    #[arg(long)]
    root: bool,

    /// The command and its arguments; no shell reads them
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let record = running::running(&host, context.program(), &args.name).await?;
    host.state.close().await;
    let user = if args.root { Owner::Root } else { Owner::Agent };
    let run = Run::new(record.container, user, stdio(), &args.command, running::random())?;
    Ok(run.run().await?.shell_code().into())
}

fn stdio() -> Stdio {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Stdio::Terminal(terminal_kind(env::var_os("TERM")))
    } else {
        Stdio::Pipe
    }
}

/// The kind of the caller's terminal, if it is the name of one.
fn terminal_kind(term: Option<OsString>) -> String {
    let is_name = |term: &String| {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"-+._".contains(&b);
        !term.is_empty() && term.bytes().all(is_name_byte)
    };
    term.and_then(|term| term.into_string().ok()).filter(is_name).unwrap_or_else(|| "dumb".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_a_terminal_goes_inside() {
        for (term, kind) in [
            (Some("xterm-256color"), "xterm-256color"),
            (Some("screen.xterm+x"), "screen.xterm+x"),
            (Some("../../evil"), "dumb"),
            (Some(""), "dumb"),
            (None, "dumb"),
        ] {
            assert_eq!(terminal_kind(term.map(Into::into)), kind);
        }
    }
}
