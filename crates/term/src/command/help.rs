//! `help`, for those who try it before `--help`.

use std::process::ExitCode;

use crate::{Code, Context, program};

/// The examples.
pub fn examples(program: &str) -> String {
    format!("Examples:\n  {program} help\n  {program} help create")
}

/// Print the help of a command
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command; the program itself when not given
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// Prints the help of a command, as `--help` behind it does.
pub fn run(args: &Args, context: &Context) -> ExitCode {
    let words = [context.kind().as_str()].into_iter();
    let words = words.chain(args.command.iter().map(String::as_str)).chain(["--help"]);
    match context.command_line().try_get_matches_from(words) {
        Err(error) => program::refuse(&error, &context.screen),
        Ok(_) => Code::Ok.into(),
    }
}
