//! `completions`.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::{Code, Context, Failure, stdout};

/// The examples.
pub fn examples(program: &str) -> String {
    format!(
        "\
Examples:
  {program} completions bash > /etc/bash_completion.d/{program}
  {program} completions fish > ~/.config/fish/completions/{program}.fish
  source <({program} completions zsh)"
    )
}

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
pub fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    stdout::print(&render(context.command_line(), args.shell))?;
    Ok(Code::Ok.into())
}

/// The completions of a program for a shell.
pub fn render(mut command_line: clap::Command, shell: Shell) -> String {
    let program = command_line.get_name().to_owned();
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command_line, program, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
