//! `preview info`.

use std::process::ExitCode;

use berth_core::Name;
use berth_host::previews::{self, PreviewView};
use berth_term::{Code, Context, Failure, Table, stdout, times};
use jiff::Timestamp;

const EXAMPLES: &str = "\
Examples:
  preview info site-12
  preview info site-12 --json | jq -r .commit";

/// Tell all that is known about a preview
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The preview
    slug: Name,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let preview = previews::view(&host, &args.slug).await?;
    if args.json {
        stdout::print_json(&preview)?;
    } else {
        stdout::print(&text(&preview, (host.now)()))?;
    }
    Ok(Code::Ok.into())
}

fn text(preview: &PreviewView, now: Timestamp) -> String {
    let mut table = Table::headless();
    let mut row = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([key.to_owned(), value]);
        }
    };
    let ago = |at: Timestamp| format!("{} ({} ago)", times::moment(at), times::age(now, at));
    row("slug", Some(preview.slug.to_string()));
    row("state", Some(preview.state.clone()));
    row("reason", preview.reason.clone());
    row("url", (!preview.urls.is_empty()).then(|| preview.urls.join("\n")));
    row("repository", Some(preview.repository.to_string()));
    row("pull request", preview.pull.map(|pull| pull.to_string()));
    row("branch", Some(preview.branch.to_string()));
    row("commit", preview.commit.as_ref().map(ToString::to_string));
    row("deployed", preview.deployed_at.map(ago));
    row("container", preview.container.map(|container| format!("{container}, unit {}", container.unit())));
    row("address", preview.address.map(|address| address.to_string()));
    row("services", (!preview.services.is_empty()).then(|| preview.services.join(", ")));
    row("database", preview.database.clone());
    row("closure", preview.closure.as_ref().map(ToString::to_string));
    let limits = &preview.limits;
    let limits = format!("{} of memory, {} CPUs, {} tasks", limits.memory, limits.cpus, limits.tasks);
    row("limits", Some(limits));
    row("gpu", preview.gpu.as_ref().map(ToString::to_string));
    row("secrets", Some(secrets(preview).to_owned()));
    row("created", Some(format!("{} by {}", ago(preview.created_at), preview.created_by)));
    row("expires", Some(expiry(preview.expires_at, now)));
    table.to_string()
}

fn secrets(preview: &PreviewView) -> &'static str {
    if preview.is_trusted { "those that its repository is granted" } else { "none: it is not trusted" }
}

fn expiry(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        None => "never".to_owned(),
        Some(at) => format!("{} ({})", times::moment(at), times::left(now, Some(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{failed, now, preview};
    use super::*;

    #[test]
    fn all_that_is_known_is_told() {
        insta::assert_snapshot!(text(&preview("site-12"), now()));
    }

    #[test]
    fn a_failed_preview_tells_why() {
        insta::assert_snapshot!(text(&failed("site-main"), now()));
    }
}
