//! `agent run`.

use std::ffi::OsString;
use std::process::ExitCode;

use berth_core::Name;
use berth_host::guests::User;
use berth_term::{Context, Failure, inside};

use super::running;

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
    let user = if args.root { User::Root } else { User::Own };
    inside::run(record.container, user, &args.command).await
}
