//! `preview jobs`.

use std::process::ExitCode;

use berth_core::{PullNumber, RepoName};
use berth_host::control::{self, Answer, Doing, Request};
use berth_host::state::LaneRecord;
use berth_term::{Code, Context, Failure, Table, stdout, times};
use jiff::Timestamp;
use serde::Serialize;

const EXAMPLES: &str = "\
States:
  working   berthd works on it; what it does is told
  waiting   for its turn, or for its next attempt
  dead      it failed so often that it waits for you: `preview retry JOB`
  refused   its commit cannot be deployed: the next push may change that
  idle      there is nothing to do (told with --all)

Examples:
  preview jobs
  preview jobs --all
  preview jobs --json | jq -r '.[] | select(.state == \"dead\") | .job'";

/// List what there is to do for pull requests
///
/// Without a running berthd nothing is done, and the list tells what waits.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// List idle ones too
    #[arg(long)]
    all: bool,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// A line of the list: a job as people see it.
#[derive(Debug, Serialize)]
struct Row {
    job: i64,
    repository: RepoName,
    pull: PullNumber,
    state: &'static str,
    /// What is done at this moment.
    step: Option<String>,
    since: Option<Timestamp>,
    attempts: u32,
    next_at: Option<Timestamp>,
    error: Option<String>,
    heard_at: Timestamp,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let records = host.state.lanes().await?;
    let doing = doing(context);
    let jobs: Vec<Row> = records
        .into_iter()
        .map(|record| job(record, &doing))
        .filter(|job| args.all || job.state != "idle")
        .collect();
    if args.json {
        stdout::print_json(&jobs)?;
    } else if jobs.is_empty() {
        context.screen.note("there is nothing to do for any pull request");
    } else {
        stdout::print(&table(&jobs, (host.now)()).to_string())?;
    }
    Ok(Code::Ok.into())
}

/// What berthd does now; nothing where none runs or answers, which is told.
fn doing(context: &Context) -> Vec<Doing> {
    match control::ask(&context.layout, Request::Status) {
        Ok(Some(Answer::Status { doing, .. })) => doing,
        Ok(Some(Answer::Done | Answer::Refused { .. })) => Vec::new(),
        Ok(None) => {
            context.screen.note("berthd does not run: nothing of this is done");
            Vec::new()
        }
        Err(error) => {
            context.screen.note(&format!("what berthd does now is not known: {error}"));
            Vec::new()
        }
    }
}

fn job(record: LaneRecord, doing: &[Doing]) -> Row {
    let now = doing.iter().find(|doing| doing.job == record.id.get());
    let lane = record.lane;
    let state = if now.is_some() {
        "working"
    } else if lane.is_dead {
        "dead"
    } else if lane.is_dirty() {
        "waiting"
    } else if lane.refused.is_some() {
        "refused"
    } else {
        "idle"
    };
    Row {
        job: record.id.get(),
        repository: record.repo,
        pull: record.pull,
        state,
        step: now.map(|doing| doing.step.clone()),
        since: now.map(|doing| doing.since),
        attempts: lane.attempts,
        next_at: lane.next_at,
        error: lane.error,
        heard_at: record.heard_at,
    }
}

fn table(jobs: &[Row], now: Timestamp) -> Table {
    let mut table =
        Table::new(["JOB", "PULL REQUEST", "STATE", "HEARD", "ATTEMPTS", "NEXT", "DETAIL"]).with_prose();
    for job in jobs {
        table.row([
            job.job.to_string(),
            format!("{}#{}", job.repository, job.pull),
            job.state.to_owned(),
            format!("{} ago", times::age(now, job.heard_at)),
            job.attempts.to_string(),
            times::left(now, job.next_at.filter(|_| job.state == "waiting")),
            job.step.clone().or_else(|| job.error.clone()).unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use berth_core::lane::Lane;
    use berth_host::state::{LaneId, Told};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    fn record(id: i64, lane: Lane) -> LaneRecord {
        LaneRecord {
            id: LaneId::from(id),
            repo: "acme/site".parse().expect("a repository"),
            pull: u32::try_from(id).expect("small").try_into().expect("a number"),
            lane,
            told: Told::default(),
            heard_at: at(100),
        }
    }

    #[test]
    fn each_job_is_told_with_its_state() {
        let dirty = || Lane { generation: 1, ..Lane::default() };
        let error = || Some("web.service: it says no".to_owned());
        let records = [
            record(1, dirty()),
            record(2, Lane { attempts: 3, next_at: Some(at(460)), error: error(), ..dirty() }),
            record(3, Lane { attempts: 10, is_dead: true, error: error(), ..dirty() }),
            record(4, Lane { refused: "0".repeat(40).parse().ok(), error: error(), ..Lane::default() }),
            record(5, Lane::default()),
        ];
        let doing = Doing {
            job: 1,
            repository: "acme/site".parse().expect("a repository"),
            pull: 1.try_into().expect("a number"),
            step: "build the system".to_owned(),
            since: at(150),
        };
        let jobs: Vec<Row> =
            records.into_iter().map(|record| job(record, std::slice::from_ref(&doing))).collect();
        insta::assert_snapshot!(table(&jobs, at(160)), @"
        JOB  PULL REQUEST  STATE    HEARD   ATTEMPTS  NEXT   DETAIL
        1    acme/site#1   working  1m ago  0         -      build the system
        2    acme/site#2   waiting  1m ago  3         in 5m  web.service: it says no
        3    acme/site#3   dead     1m ago  10        -      web.service: it says no
        4    acme/site#4   refused  1m ago  0         -      web.service: it says no
        5    acme/site#5   idle     1m ago  0         -      -
        ");
    }
}
