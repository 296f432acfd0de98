//! `preview retry`.

use std::process::ExitCode;

use berth_core::lane::News;
use berth_host::control::{self, Request};
use berth_host::state::LaneId;
use berth_term::{Code, Context, Failure, stdout};

const EXAMPLES: &str = "\
Examples:
  preview jobs
  preview retry 7";

/// Try the job of a pull request again, at once
///
/// For one that has failed too often, or whose commit was refused: mend what was
/// wrong first. berthd does it; without one it is done when berthd starts.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The job, as `preview jobs` numbers it
    job: LaneId,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let now = (host.now)();
    let changed = host.state.change_lane(args.job, &[], |lane| lane.hear(News::Retry, now)).await?;
    let Some(record) = changed else {
        let problem = format!("there is no job {}; see `{} jobs`", args.job, context.program());
        return Err(Failure::new(Code::NotFound, problem));
    };
    let (repo, pull) = (record.repo, record.pull);
    match control::ask(&context.layout, Request::Nudge) {
        Ok(Some(_)) => stdout::print(&format!("job {} ({repo}#{pull}) is tried again now\n", args.job))?,
        Ok(None) => {
            stdout::print(&format!("job {} ({repo}#{pull}) is tried again when berthd runs\n", args.job))?;
        }
        Err(error) => {
            context.screen.note(&format!("berthd was not told: {error}"));
            stdout::print(&format!("job {} ({repo}#{pull}) is tried again soon\n", args.job))?;
        }
    }
    Ok(Code::Ok.into())
}
