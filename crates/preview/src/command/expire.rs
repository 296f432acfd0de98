//! `preview expire`.

use std::process::ExitCode;

use berth_host::previews;
use berth_term::{Context, Failure, removal};

const EXAMPLES: &str = "\
A timer of the host calls it; it may be called at any time.

Examples:
  preview expire";

/// Remove the previews that have outlived their time
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) async fn run(_: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let work = context.screen.work(None);
    let outcomes = previews::expire(&host, &context.actor(), &work).await?;
    drop(work);
    let outcomes =
        outcomes.into_iter().map(|(slug, outcome)| (slug, outcome.map(Into::into).map_err(Into::into)));
    Ok(removal::tell_all(context, outcomes.collect()))
}
