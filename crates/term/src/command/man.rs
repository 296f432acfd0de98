//! `man`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap_mangen::Man;

use crate::{Code, Context, Failure, stdout};

/// The examples.
pub fn examples(program: &str) -> String {
    format!("Examples:\n  {program} man | man -l -\n  {program} man --dir /usr/local/share/man/man1")
}

/// Print the manual pages
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a page for each command into this folder. Refused through sudo
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the pages, or writes them into a folder.
pub fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    match &args.dir {
        None => {
            let pages = all_pages(context.command_line());
            stdout::print(&pages.map_err(|error| Failure::because("could not write the pages", error))?)?;
        }
        Some(folder) => {
            context.caller.need_own_rights("--dir")?;
            write_pages(context.command_line(), folder).map_err(|error| {
                Failure::because(format!("could not write the pages into `{}`", folder.display()), error)
            })?;
        }
    }
    Ok(Code::Ok.into())
}

/// The pages of a program and of each of its commands, one after the other.
pub fn all_pages(mut command_line: clap::Command) -> io::Result<String> {
    // Gives subcommands their full names, `agent-create`.
    command_line.build();
    let mut bytes = Vec::new();
    let subcommands = command_line.get_subcommands().filter(|command| !command.is_hide_set());
    for page in std::iter::once(&command_line).chain(subcommands) {
        Man::new(page.clone()).render(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same, a file each. The folder is made if it is not there.
pub fn write_pages(command_line: clap::Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command_line, folder)
}
