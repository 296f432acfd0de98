//! `preview restart`.

use std::process::ExitCode;

use berth_core::Name;
use berth_host::previews;
use berth_term::{Code, Context, Failure, interrupt, stdout};

use super::create;

const EXAMPLES: &str = "\
Examples:
  preview restart site-12";

/// Stop the container of a preview and start it again
///
/// Its services are told what is configured now, secrets included, and its setup
/// service runs again. Returns when it answers. It is not served meanwhile:
/// `preview update --force` makes a new container without an outage.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The preview
    slug: Name,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let interrupt = interrupt::listen(&context.screen, "interrupted: ending the restart")?;
    let work = context.screen.work(None);
    previews::restart(&host, &args.slug, &context.actor(), &work, &interrupt).await?;
    drop(work);
    let preview = previews::view(&host, &args.slug).await?;
    stdout::print(&create::text(&preview, false, context.program()))?;
    Ok(Code::Ok.into())
}
