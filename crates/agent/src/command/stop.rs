//! `agent stop`.

use std::process::ExitCode;

use berth_core::Name;
use berth_host::agents;
use berth_term::{Code, Context, Failure, interrupt, stdout};

const EXAMPLES: &str = "\
Examples:
  agent stop fix-login
  agent start fix-login";

/// Pause an agent: nothing runs, its files stay
///
/// The system inside is asked to shut down; after the deadline `deadlines.stop`
/// of the configuration it is killed. The agent keeps its address.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agent
    name: Name,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let interrupt = interrupt::listen(&context.screen, "interrupted: the agent may go on stopping")?;
    let work = context.screen.work(None);
    agents::stop(&host, &args.name, &context.actor(), &work, &interrupt).await?;
    drop(work);
    stdout::print(&format!("{} is stopped\n", args.name))?;
    Ok(Code::Ok.into())
}
