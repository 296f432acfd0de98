//! `agent start`.

use std::process::ExitCode;

use berth_core::Name;
use berth_host::agents;
use berth_term::{Code, Context, Failure, interrupt, stdout};

const EXAMPLES: &str = "\
Examples:
  agent start fix-login";

/// Resume an agent that was stopped or failed
///
/// Keys and credentials are brought up to what is configured now. Returns when
/// a login succeeds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agent
    name: Name,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let interrupt = interrupt::listen(&context.screen, "interrupted: stopping the agent again")?;
    let work = context.screen.work(None);
    let record = agents::start(&host, &args.name, &context.actor(), &work, &interrupt).await?;
    drop(work);
    let address = host.config.subnet.addresses(record.container.slot()).map(|pair| pair.container);
    let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
    stdout::print(&format!("{} is running{at}\n", args.name))?;
    Ok(Code::Ok.into())
}
