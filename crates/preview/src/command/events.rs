//! `preview events`.

use std::process::ExitCode;

use berth_core::Name;
use berth_term::command::events::{self, Options};
use berth_term::{Context, Failure};

const EXAMPLES: &str = "\
An event that began and neither succeeded nor failed was cut short: see `preview doctor`.

Examples:
  preview events
  preview events site-12
  preview events --json --lines 1000";

/// Tell who did what to which preview when
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only what was done to previews of this slug, those that are gone included
    slug: Option<Name>,

    /// How many, the newest ones
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { slug, lines, json } = args;
    events::run(Options { name: slug, lines, json }, context).await
}
