//! `agent help`, for those who try it before `--help`.

use std::process::ExitCode;

use crate::context::Context;

const EXAMPLES: &str = "\
Examples:
  agent help
  agent help create";

/// Print the help of a command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command; the program itself when not given
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> ExitCode {
    crate::help(&args.command, &context.screen)
}
