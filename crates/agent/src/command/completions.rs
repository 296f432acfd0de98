//! `agent completions`.

use std::process::ExitCode;

use berth_term::{Code, Failure, stdout};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  agent completions bash > /etc/bash_completion.d/agent
  agent completions fish > ~/.config/fish/completions/agent.fish
  source <(agent completions zsh)";

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    stdout::print(&render(args.shell))?;
    Ok(Code::Ok.into())
}

fn render(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut crate::command_line(), "agent", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in Shell::value_variants() {
            let text = render(*shell);
            for command in crate::command_line().get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
