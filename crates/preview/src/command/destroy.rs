//! `preview destroy`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use berth_core::Name;
use berth_host::Host;
use berth_host::agents::{Actor, Destroyed};
use berth_host::previews::{self, PreviewError};
use berth_term::removal::{self, Removed};
use berth_term::{Code, Context, Failure, Work};

const EXAMPLES: &str = "\
Examples:
  preview destroy site-12
  preview destroy site-12 site-13 shop-main
  preview destroy --all --yes";

/// Remove previews and everything that belongs to them, databases included
///
/// One that is not there is no error. One that cannot be removed does not keep
/// the others; what is left of it is named, and its record stays until nothing
/// is left. That of a pull request stays away until the next push or `/preview`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The previews
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "SLUG")]
    slugs: Vec<Name>,

    /// Remove all previews of this host
    #[arg(long)]
    all: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let slugs: BTreeSet<Name> = if args.all { all(&host).await? } else { args.slugs.into_iter().collect() };
    if slugs.is_empty() {
        context.screen.note("there are no previews");
        return Ok(Code::Ok.into());
    }
    if args.all && !args.yes && !removal::confirm_all(context.kind(), &slugs)? {
        context.screen.note("nothing was removed");
        return Ok(Code::Failed.into());
    }
    let shared = Arc::new((host, context.actor()));
    let remove = |slug: Name, work: Work| {
        let shared = Arc::clone(&shared);
        async move { destroy(&shared.0, &slug, &shared.1, &work).await }
    };
    removal::remove_all(context, slugs, remove).await
}

async fn all(host: &Host) -> Result<BTreeSet<Name>, Failure> {
    let records = host.state.previews().await?;
    Ok(records.into_iter().map(|record| record.slug).collect())
}

async fn destroy(host: &Host, slug: &Name, by: &Actor, work: &Work) -> Result<Removed, Failure> {
    match previews::destroy_by_hand(host, slug, by, work).await? {
        Destroyed::Removed => Ok(Removed::Removed),
        Destroyed::NotThere => {
            let near = match previews::find(host, slug).await {
                Err(PreviewError::NotFound { near, .. }) => near,
                Ok(_) | Err(_) => None,
            };
            Ok(Removed::NotThere { near })
        }
    }
}
