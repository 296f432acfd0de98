//! The `preview` program: a branch becomes a running site.
//!
//! The command line is `cli`, each subcommand a file in `command`, what every
//! program has in `berth-term`, and what they do in `berth-host`.

mod cli;
mod command;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use berth_term::program;
use clap::CommandFactory;

use self::cli::Cli;

/// Runs the program.
pub fn main() -> ExitCode {
    program::main::<Cli>()
}

/// The definition of the command line, for generated documents.
pub fn command_line() -> clap::Command {
    Cli::command()
}
