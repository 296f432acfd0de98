//! `preview list`.

use std::process::ExitCode;

use berth_host::previews::{self, PreviewView};
use berth_term::{Code, Context, Failure, Table, stdout, times};
use jiff::Timestamp;

const EXAMPLES: &str = "\
States:
  building     its commit is fetched and its system built
  creating, setting up, updating, destroying
  ready        it answers
  running      it runs, and nobody has waited for its answer
  stopped      its container does not run: see `preview restart`
  failed       it never came to answer: see `preview info`

Examples:
  preview list
  preview list --json | jq -r '.[] | select(.state == \"ready\") | .url'";

/// List all previews
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print a JSON array with all that `preview info --json` tells of each
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let previews = previews::list(&host).await?;
    if args.json {
        stdout::print_json(&previews)?;
    } else if previews.is_empty() {
        let program = context.program();
        context
            .screen
            .note(&format!("there are no previews; make one with `{program} create OWNER/REPO BRANCH`"));
    } else {
        stdout::print(&table(&previews, (host.now)()).to_string())?;
    }
    Ok(Code::Ok.into())
}

fn table(previews: &[PreviewView], now: Timestamp) -> Table {
    let mut table = Table::new(["SLUG", "STATE", "SOURCE", "COMMIT", "DEPLOYED", "EXPIRES", "URL"]);
    let dash = || "-".to_owned();
    for preview in previews {
        table.row([
            preview.slug.to_string(),
            preview.state.clone(),
            source(preview),
            preview.commit.as_ref().map_or_else(dash, |commit| commit.short().to_owned()),
            preview.deployed_at.map_or_else(dash, |at| format!("{} ago", times::age(now, at))),
            times::left(now, preview.expires_at),
            preview.url.clone().unwrap_or_else(dash),
        ]);
    }
    table
}

/// What it is made from, in one word or two.
fn source(preview: &PreviewView) -> String {
    match preview.pull {
        Some(pull) => format!("{}#{pull}", preview.repository),
        None => format!("{} {}", preview.repository, preview.branch),
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{failed, now, preview};
    use super::*;

    #[test]
    fn the_table_is_this() {
        insta::assert_snapshot!(table(&[preview("site-12"), failed("site-main")], now()), @"
        SLUG       STATE   SOURCE          COMMIT        DEPLOYED    EXPIRES    URL
        site-12    ready   acme/site#12    0123456789ab  2h 30m ago  in 4h 58m  https://site-12.preview.example.com
        site-main  failed  acme/site main  -             -           -          https://site-main.preview.example.com
        ");
    }

    #[test]
    fn the_json_is_this() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&[preview("site-12")]).expect("JSON"));
    }
}
