//! `agent build`.

use std::process::ExitCode;

use berth_core::StorePath;
use berth_host::agents;
use berth_term::{Code, Context, Failure, interrupt, stdout};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  agent build
  agent build --json | jq -r .system";

/// Build the system that new agents get
///
/// Builds `nixosConfigurations.agent` of the configured flake, records it and
/// keeps it from the garbage collector. Agents that exist keep theirs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// The system.
    system: StorePath,
    /// Whether it differs from the one before.
    is_new: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let interrupt = interrupt::listen(&context.screen, "interrupted: ending the build")?;
    let work = context.screen.work(None);
    let by = context.actor();
    let built = agents::build(&host, &by, &work, &interrupt).await?;
    drop(work);
    let report = Report { system: built.closure.system, is_new: built.is_new };
    if args.json {
        stdout::print_json(&report)?;
    } else {
        stdout::print(&format!("{}\n", report.system))?;
        let note = if report.is_new { "new agents get this system" } else { "nothing has changed" };
        context.screen.note(note);
    }
    Ok(Code::Ok.into())
}
