//! `agent logs`.

use std::process::ExitCode;

use berth_core::{Name, Shown};
use berth_term::command::logs::{self, Wanted};
use berth_term::{Context, Failure};

use super::running;

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
    let Args { name, follow, lines, unit } = args;
    let wanted = Wanted { follow, lines, unit };
    let host = context.host().await?;
    let (record, state) = running::look(&host, &name).await?;
    let is_running = matches!(state, Shown::Running | Shown::Degraded);
    if !is_running && wanted.needs_running() {
        return Err(running::not_running(context.program(), &name, state));
    }
    host.state.close().await;
    if is_running {
        logs::of_running(record.container, &wanted).await
    } else {
        logs::of_stopped(record.container, lines, &format!("the agent `{name}` is {state}"), context).await
    }
}
