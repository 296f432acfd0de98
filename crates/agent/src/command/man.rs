//! `agent man`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth_term::{Code, Failure, stdout};
use clap_mangen::Man;

use crate::context::Context;

const EXAMPLES: &str = "\
Examples:
  agent man | man -l -
  agent man --dir /usr/local/share/man/man1";

/// Print the manual pages
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Write a page for each command into this folder. Refused through sudo
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.dir {
        None => stdout::print(
            &all_pages().map_err(|error| Failure::because("could not write the pages", error))?,
        )?,
        Some(folder) => {
            context.caller.need_own_rights("--dir")?;
            write_pages(folder).map_err(|error| {
                Failure::because(format!("could not write the pages into `{}`", folder.display()), error)
            })?;
        }
    }
    Ok(Code::Ok.into())
}

/// The pages of the program and of each command, one after the other.
fn all_pages() -> io::Result<String> {
    let mut command = crate::command_line();
    // Gives subcommands their full names, `agent-create`.
    command.build();
    let mut bytes = Vec::new();
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    for page in std::iter::once(&command).chain(subcommands) {
        Man::new(page.clone()).render(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write_pages(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(crate::command_line(), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_page() {
        let folder = tempfile::tempdir().expect("a folder");
        write_pages(folder.path()).expect("written");
        let pages = all_pages().expect("rendered");
        for command in crate::command_line().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("agent-{}", command.get_name());
            let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).expect(&name);
            assert!(page.contains("Examples:"), "{name}");
            assert!(pages.contains(&format!(".TH {name} ")), "{name}");
        }
    }
}
