//! `preview create`.

use std::process::ExitCode;

use berth_core::slug::check_slug;
use berth_core::{Name, Ttl};
use berth_host::previews::{self, CreateOptions, PreviewView, Source};
use berth_term::{Code, Context, Failure, interrupt, stdout};

use super::source::SourceArgs;

const EXAMPLES: &str = "\
Examples:
  preview create acme/site main
  preview create acme/site fix/login --pr 12 --ttl 7d
  preview create acme/site main --json | jq -r .url";

/// Deploy a branch or a pull request and print where it is served
///
/// Fetches the commit, builds the system that its `preview-config.nix` declares,
/// starts it in a container of its own, runs its setup service and its app
/// services and waits until it answers. What fails is kept for a look, as
/// `failed`; what is interrupted is taken back.
///
/// A pull request gets no secrets of the host, as whoever opened it decides what
/// happens to them, unless you say `--trusted`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,

    /// What to call it, and the first part of its host name; made from
    /// repository and branch or number when not given
    #[arg(long, value_parser = check_slug)]
    slug: Option<Name>,

    /// Remove it after this time, such as `8h`, `7d` or `2d 12h`
    ///
    /// As configured when not given. `preview expire` removes it, which a timer
    /// calls.
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,

    /// Give the pull request the secrets that the operator grants to OWNER/REPO,
    /// now and at every update
    #[arg(long, requires = "pr")]
    trusted: bool,

    /// Return when its services are being started, without waiting for an answer
    #[arg(long)]
    no_wait: bool,

    /// Take all of it back when it fails, instead of keeping it for a look
    #[arg(long)]
    rollback: bool,

    /// Print a JSON object, as `preview info --json` does
    #[arg(long)]
    json: bool,
}

/// What the first Ctrl-C says.
const TAKING_BACK: &str =
    "interrupted: taking back what was done (once more to leave it to `preview doctor --fix`)";

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { source, slug, ttl, trusted, no_wait, rollback, json } = args;
    let host = context.host().await?;
    let source = Source::from(source);
    let options = CreateOptions {
        // Who may call this program may give a branch all that is granted.
        is_trusted: source.pull.is_none() || trusted,
        source,
        slug,
        ttl,
        wait: !no_wait,
        keeps_failed: !rollback,
    };
    let interrupt = interrupt::listen(&context.screen, TAKING_BACK)?;
    let work = context.screen.work(None);
    let record = previews::create(&host, options, &context.actor(), &work, &interrupt).await?;
    drop(work);
    let preview = previews::view(&host, &record.slug).await?;
    if json {
        stdout::print_json(&preview)?;
    } else {
        stdout::print(&text(&preview, no_wait, context.program()))?;
    }
    Ok(Code::Ok.into())
}

/// Where it is, what it is, and how to look at it.
pub(super) fn text(preview: &PreviewView, is_starting: bool, program: &str) -> String {
    let slug = &preview.slug;
    let state = if is_starting { "is starting" } else { "is ready" };
    let mut text = match &preview.url {
        Some(url) => format!("{slug} {state} at {url}\n"),
        None => format!("{slug} {state}\n"),
    };
    for url in preview.urls.iter().skip(1) {
        text += &format!("also:    {url}\n");
    }
    if let Some(commit) = &preview.commit {
        text += &format!("commit:  {}\n", commit.short());
    }
    text + &format!("logs:    {program} logs {slug} -f\ninside:  {program} run {slug} -- CMD\n")
}

#[cfg(test)]
mod tests {
    use super::super::specimen::preview;
    use super::*;

    #[test]
    fn a_ready_preview_is_told_with_its_addresses_and_how_to_look_at_it() {
        insta::assert_snapshot!(text(&preview("site-12"), false, "preview"), @"
        site-12 is ready at https://site-12.preview.example.com
        also:    https://admin-site-12.preview.example.com
        commit:  0123456789ab
        logs:    preview logs site-12 -f
        inside:  preview run site-12 -- CMD
        ");
    }

    #[test]
    fn one_that_nobody_waited_for_is_starting() {
        let told = text(&preview("site-12"), true, "sudo preview");
        assert!(told.starts_with("site-12 is starting at https://"), "{told}");
        assert!(told.contains("sudo preview logs site-12"), "{told}");
    }
}
