//! `agent destroy`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use berth_core::Name;
use berth_host::Host;
use berth_host::agents::{self, Actor, Destroyed};
use berth_term::removal::{self, Removed};
use berth_term::{Code, Context, Failure, Work, stdout};

use super::create::print_plan;

const EXAMPLES: &str = "\
Examples:
  agent destroy fix-login
  agent destroy fix-login try-2 try-3
  agent destroy --all --yes";

/// Remove agents and everything that belongs to them
///
/// One that is not there is no error. One that cannot be removed does not keep
/// the others; what is left of it is named, and its record stays until nothing
/// is left.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agents
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NAME")]
    names: Vec<Name>,

    /// Remove all agents of this host
    #[arg(long)]
    all: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Print the steps and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let names: BTreeSet<Name> = if args.all { all(&host).await? } else { args.names.into_iter().collect() };
    if names.is_empty() {
        context.screen.note("there are no agents");
        return Ok(Code::Ok.into());
    }
    if args.dry_run {
        return print_plans(&host, &names).await;
    }
    if args.all && !args.yes && !removal::confirm_all(context.kind(), &names)? {
        context.screen.note("nothing was removed");
        return Ok(Code::Failed.into());
    }
    let shared = Arc::new((host, context.actor()));
    let remove = |name: Name, work: Work| {
        let shared = Arc::clone(&shared);
        async move { destroy(&shared.0, &name, &shared.1, &work).await }
    };
    removal::remove_all(context, names, remove).await
}

async fn all(host: &Host) -> Result<BTreeSet<Name>, Failure> {
    let records = host.state.berths(Some(berth_core::Kind::Agent)).await?;
    Ok(records.into_iter().map(|record| record.name).collect())
}

async fn print_plans(host: &Host, names: &BTreeSet<Name>) -> Result<ExitCode, Failure> {
    for name in names {
        let plan = agents::plan_destroy(host, name).await?;
        if names.len() > 1 {
            stdout::print(&format!("{name}:\n"))?;
        }
        print_plan(&plan, false)?;
    }
    Ok(Code::Ok.into())
}

async fn destroy(host: &Host, name: &Name, by: &Actor, work: &Work) -> Result<Removed, Failure> {
    match agents::destroy(host, name, by, work).await? {
        Destroyed::Removed => Ok(Removed::Removed),
        Destroyed::NotThere => {
            Ok(Removed::NotThere { near: agents::nearest(host, name).await.ok().flatten() })
        }
    }
}
