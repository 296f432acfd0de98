//! `preview check`: for a developer's machine, without root and without a host.

mod checkout;
mod evaluation;
mod text;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth_core::Meta;
use berth_core::closure_key::PREVIEW_CONFIG;
use berth_core::meta::JSON_MAX;
use berth_host::printable::printable_line;
use berth_host::progress::Progress;
use berth_term::{Code, Context, Failure, stdout};

use self::evaluation::Surroundings;

/// The path that means stdin.
const STDIN: &str = "-";

const EXAMPLES: &str = "\
Examples:
  preview check .
  preview check ~/site --closures github:acme/closures
  nix eval --json … | preview check -";

/// Check what a repository declares, and tell all its problems at once
///
/// Evaluates `preview-config.nix` with the Nix of this machine as a host would:
/// pure, with the repository's `.nix` files only. Builds nothing. Needs no root,
/// and no host.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A checkout, or its preview-config.nix; or the declaration as JSON: a file
    /// that ends in `.json`, or `-` for stdin. Paths are refused through sudo
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// The closures flake that the host has; the configured one when not given.
    /// Refused through sudo
    #[arg(long, value_name = "FLAKE")]
    closures: Option<String>,

    /// Print what is declared as JSON, with its defaults
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let is_stdin = args.path == Path::new(STDIN);
    if context.caller.is_delegated() && (!is_stdin || args.closures.is_some()) {
        let message = "a check of paths is refused through sudo, and needs no root: call it without sudo";
        return Err(Failure::new(Code::Usage, message));
    }
    let shown = if is_stdin { "stdin".to_owned() } else { printable_line(&args.path.to_string_lossy()) };
    let json = declared(args, context).await?;
    let meta = Meta::parse(&json)
        .map_err(|error| Failure::because(format!("`{shown}` declares what no preview can be"), error))?;
    if args.json {
        stdout::print_json(&meta)?;
    } else {
        stdout::print(&format!("{shown} is good\n\n{}", text::text(&meta)))?;
    }
    Ok(Code::Ok.into())
}

/// The JSON of the declaration.
async fn declared(args: &Args, context: &Context) -> Result<String, Failure> {
    let path = &args.path;
    let unreadable =
        |error: io::Error| Failure::because(format!("could not read `{}`", path.display()), error);
    if path == Path::new(STDIN) {
        return bounded(io::stdin().lock()).map_err(unreadable);
    }
    if path.extension().is_some_and(|extension| extension == "json") {
        return File::open(path).and_then(bounded).map_err(unreadable);
    }
    let files = checkout::nix_files(&top(path)?)?;
    let flake = match &args.closures {
        Some(flake) => flake.clone(),
        None => context.config()?.closures,
    };
    let work = context.screen.work(None);
    work.step("evaluate preview-config.nix");
    let around = Surroundings::of_this_process()
        .map_err(|error| Failure::because("could not tell which folder this is", error))?;
    Ok(evaluation::meta(&files, &flake, &around).await?)
}

/// A text that is no longer than one byte more than a declaration may be.
fn bounded(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    file.take(JSON_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The top of the checkout that is meant.
fn top(path: &Path) -> Result<PathBuf, Failure> {
    let is_config = path.file_name().is_some_and(|name| name == PREVIEW_CONFIG);
    let top = if is_config { path.parent().unwrap_or(Path::new("")) } else { path };
    let top = if top.as_os_str().is_empty() { Path::new(".") } else { top };
    if top.join(PREVIEW_CONFIG).is_file() {
        return Ok(top.to_owned());
    }
    let message = format!(
        "there is no `{PREVIEW_CONFIG}` in `{}`: give the top of a repository, or the declaration as JSON",
        path.display()
    );
    Err(Failure::new(Code::Failed, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_its_folder_or_the_file_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(PREVIEW_CONFIG);
        std::fs::write(&file, "{ }").expect("written");
        for path in [folder.path(), &file] {
            assert_eq!(top(path).expect("a checkout"), folder.path());
        }
        let none = top(&folder.path().join("other")).expect_err("nothing there").to_string();
        assert!(none.starts_with("error: there is no `preview-config.nix` in "), "{none}");
    }

    #[test]
    fn endless_json_is_not_read_to_its_end() {
        let text = bounded(io::repeat(b' ')).expect("read");
        let told = Meta::parse(&text).expect_err("too long").to_string();
        assert!(told.contains("is the most"), "{told}");
    }
}
