//! `preview logs`.

use std::path::Path;
use std::process::ExitCode;

use berth_core::Name;
use berth_host::Host;
use berth_host::previews;
use berth_host::printable::printable_line;
use berth_term::command::logs::{self, Wanted};
use berth_term::{Code, Context, Failure, stdout};

use super::running;

/// How many entries of the journal are shown when nothing is said.
const LINES: u32 = 100;

const EXAMPLES: &str = "\
On a terminal, control characters in the messages are made visible.

Examples:
  preview logs site-12
  preview logs site-12 -f --unit web.service
  preview logs site-12 --build";

/// Show the journal of a preview, or what Nix said when its system was built
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The preview
    slug: Name,

    /// Go on with what is written from now on; needs a preview that runs
    #[arg(short, long)]
    follow: bool,

    /// How many entries, the newest ones; 100 when not given, and of a build all
    #[arg(short = 'n', long, value_name = "NUMBER", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..))]
    lines: Option<u32>,

    /// Only those of this unit inside; needs a preview that runs
    #[arg(short, long, value_name = "UNIT")]
    unit: Option<String>,

    /// What Nix said when the system was built that it has, or was last to have
    #[arg(long, conflicts_with_all = ["follow", "unit"])]
    build: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { slug, follow, lines, unit, build } = args;
    let host = context.host().await?;
    if build {
        return show_build(&host, &slug, lines).await;
    }
    let wanted = Wanted { follow, lines: lines.unwrap_or(LINES), unit };
    let (container, is_running) = running::look(&host, &slug).await?;
    if !is_running && wanted.needs_running() {
        return Err(running::not_running(&host, context.program(), &slug).await);
    }
    host.state.close().await;
    if is_running {
        logs::of_running(container, &wanted).await
    } else {
        let described = format!("the preview `{slug}` does not run");
        logs::of_stopped(container, wanted.lines, &described, context).await
    }
}

async fn show_build(host: &Host, slug: &Name, lines: Option<u32>) -> Result<ExitCode, Failure> {
    let record = previews::find(host, slug).await?;
    let build = record.last_build.ok_or_else(|| {
        Failure::new(Code::Failed, format!("nothing was built yet for the preview `{slug}`"))
    })?;
    stdout::print(&last_lines(&read(&host.layout.build_log(build.get()), slug)?, lines))?;
    Ok(Code::Ok.into())
}

fn read(path: &Path, slug: &Name) -> Result<String, Failure> {
    // What Nix says may be in any encoding.
    let bytes = std::fs::read(path).map_err(|error| {
        let message = format!(
            "the log of the build of `{slug}` is not there; `preview update {slug} --force` builds again \
             only if the closure is gone, too"
        );
        Failure::because(message, error)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines, or all of them, escaped.
fn last_lines(log: &str, count: Option<u32>) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let last = &lines[lines.len().saturating_sub(count)..];
    last.iter().map(|line| format!("{}\n", printable_line(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nix_said_is_shown_whole_or_from_its_end_and_cannot_act_on_the_terminal() {
        let log = "evaluating\nbuilding \u{1b}[31mx\n-- done\n";
        assert_eq!(last_lines(log, None), "evaluating\nbuilding \\u{1b}[31mx\n-- done\n");
        assert_eq!(last_lines(log, Some(1)), "-- done\n");
        assert_eq!(last_lines(log, Some(0)), "");
    }

    #[test]
    fn a_log_that_is_gone_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let slug = "site-12".parse().expect("a name");
        let told = read(&folder.path().join("closure-1.log"), &slug).expect_err("not there").to_string();
        assert!(told.starts_with("error: the log of the build of `site-12` is not there"), "{told}");
    }
}
