//! `preview update`.

use std::process::ExitCode;

use berth_core::{CommitSha, Name};
use berth_host::previews::{self, PreviewView, UpdateKind, UpdateOptions};
use berth_term::{Code, Context, Failure, interrupt, stdout};
use serde::Serialize;

use super::create;

const EXAMPLES: &str = "\
With --json, `update` is one of:
  nothing   there was nothing new
  code      the new commit was handed to the container that serves
  switched  a new container took the place of the old one, without an outage
  deployed  it had failed, and was deployed from the beginning

Examples:
  preview update site-12
  preview update site-12 --force
  preview update site-12 --json | jq -r .update";

/// Bring a preview to the newest commit, without an outage
///
/// Where only code is new, the container that serves is handed the commit and
/// its setup service runs again. Where the system, the routes or the secrets are
/// new, a second container is made and takes over once it answers. Old and new
/// share the database. What fails leaves the old site serving.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The preview
    slug: Name,

    /// This commit instead of the newest one
    #[arg(long, value_name = "SHA")]
    commit: Option<CommitSha>,

    /// Make a new container, also where nothing is new
    #[arg(long)]
    force: bool,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    update: &'static str,
    preview: &'a PreviewView,
}

/// What the first Ctrl-C says.
const STAYING: &str =
    "interrupted: going back to what was served (once more to leave it to `preview doctor --fix`)";

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { slug, commit, force, json } = args;
    let host = context.host().await?;
    let options = UpdateOptions { commit, is_forced: force };
    let interrupt = interrupt::listen(&context.screen, STAYING)?;
    let work = context.screen.work(None);
    let updated = previews::update(&host, &slug, options, &context.actor(), &work, &interrupt).await?;
    drop(work);
    let preview = previews::view(&host, &slug).await?;
    if json {
        stdout::print_json(&Told { update: word(updated.kind), preview: &preview })?;
    } else {
        stdout::print(&text(&preview, updated.kind, context.program()))?;
    }
    Ok(Code::Ok.into())
}

fn word(kind: UpdateKind) -> &'static str {
    match kind {
        UpdateKind::Nothing => "nothing",
        UpdateKind::Code => "code",
        UpdateKind::Switched => "switched",
        UpdateKind::Deployed => "deployed",
    }
}

fn text(preview: &PreviewView, kind: UpdateKind, program: &str) -> String {
    let slug = &preview.slug;
    let commit = preview.commit.as_ref().map_or("its commit", CommitSha::short);
    match kind {
        UpdateKind::Nothing => format!("{slug} is up to date: it serves {commit}\n"),
        UpdateKind::Code => format!("{slug} serves {commit}: the new code, in the container that it had\n"),
        UpdateKind::Switched => format!("{slug} serves {commit}: a new container has taken over\n"),
        UpdateKind::Deployed => create::text(preview, false, program),
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::preview;
    use super::*;

    const KINDS: [UpdateKind; 4] =
        [UpdateKind::Nothing, UpdateKind::Code, UpdateKind::Switched, UpdateKind::Deployed];

    #[test]
    fn what_an_update_did_is_told() {
        let told: String = KINDS.iter().map(|kind| text(&preview("site-12"), *kind, "preview")).collect();
        insta::assert_snapshot!(told, @"
        site-12 is up to date: it serves 0123456789ab
        site-12 serves 0123456789ab: the new code, in the container that it had
        site-12 serves 0123456789ab: a new container has taken over
        site-12 is ready at https://site-12.preview.example.com
        also:    https://admin-site-12.preview.example.com
        commit:  0123456789ab
        logs:    preview logs site-12 -f
        inside:  preview run site-12 -- CMD
        ");
    }

    #[test]
    fn the_help_names_every_word_of_the_json() {
        for kind in KINDS {
            assert!(EXAMPLES.contains(&format!("\n  {} ", word(kind))), "{kind:?}");
        }
        let preview = preview("site-12");
        let told = serde_json::to_value(Told { update: "code", preview: &preview }).expect("JSON");
        assert_eq!(told["preview"]["slug"], "site-12");
    }
}
