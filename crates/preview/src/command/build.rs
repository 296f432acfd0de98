//! `preview build`.

use std::process::ExitCode;

use berth_core::{CommitSha, Meta, StorePath};
use berth_host::previews::{self, PreviewBuilt};
use berth_term::{Code, Context, Failure, interrupt, stdout};
use serde::Serialize;

use super::source::SourceArgs;

const EXAMPLES: &str = "\
Examples:
  preview build acme/site main
  preview build acme/site fix/login --pr 12 --json | jq .meta.routes";

/// Build the system that a branch declares, without deploying it
///
/// Does what `preview create` does first, so that it finds the system built: the
/// same checks and limits apply. Prints where the system is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,

    /// Print a JSON object, with what is declared
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told {
    commit: CommitSha,
    system: StorePath,
    /// The bytes of the whole closure.
    size: u64,
    meta: Meta,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let interrupt = interrupt::listen(&context.screen, "interrupted: ending the build")?;
    let work = context.screen.work(None);
    let by = context.actor();
    let built = previews::build(&host, &args.source.into(), &by, &work, &interrupt).await?;
    drop(work);
    let PreviewBuilt { commit, system, meta, size } = built;
    if args.json {
        stdout::print_json(&Told { commit, system, size, meta })?;
    } else {
        stdout::print(&format!("{system}\n"))?;
        let note = format!("the system of {}, {} MiB with all that it needs", commit.short(), size >> 20);
        context.screen.note(&note);
    }
    Ok(Code::Ok.into())
}
