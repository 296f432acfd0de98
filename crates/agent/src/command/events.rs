//! `agent events`.

use std::process::ExitCode;

use berth_core::Name;
use berth_term::command::events::{self, Options};
use berth_term::{Context, Failure};

const EXAMPLES: &str = "\
An event that began and neither succeeded nor failed was cut short: see `agent doctor`.

Examples:
  agent events
  agent events fix-login
  agent events --json --lines 1000";

/// Tell who did what to which agent when
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only what was done to agents of this name, those that are gone included
    name: Option<Name>,

    /// How many, the newest ones
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { name, lines, json } = args;
    events::run(Options { name, lines, json }, context).await
}
