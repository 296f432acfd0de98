//! From the command line to what is done.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use berth_core::Layout;
use berth_term::command::{completions, man};
use berth_term::stdout;
use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::program;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => program::serve(cli.config.as_deref()),
        Some(command) => match run(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("berthd: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

/// The definition of the command line, for generated documents.
pub fn command_line() -> clap::Command {
    Cli::command()
}

fn run(command: Command) -> Result<()> {
    let text = match command {
        Command::CheckConfig { path } => check_config(path.as_deref())?,
        Command::Completions { shell } => completions::render(command_line(), shell),
        Command::Man => man::all_pages(command_line())?,
    };
    Ok(stdout::print(&text)?)
}

fn check_config(chosen: Option<&Path>) -> Result<String> {
    let layout = Layout::host();
    program::read(&layout, chosen)?;
    let path = chosen.map_or_else(|| layout.config_file(), Path::to_path_buf);
    let verdict = if path.exists() { "is good" } else { "does not exist: the defaults are used" };
    Ok(format!("{} {verdict}\n", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Cli {
        Cli::try_parse_from(words).expect("a command line")
    }

    #[test]
    fn the_definition_is_sound() {
        command_line().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        assert!(parse(&["berthd"]).command.is_none());
        let chosen = parse(&["berthd", "--config", "/tmp/berth.toml"]);
        assert!(chosen.command.is_none() && chosen.config.is_some());
    }

    #[test]
    fn a_secret_that_is_not_there_is_told_with_its_path() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "[github]\ntoken = \"/nowhere/token\"\nwebhook_secret = \"/nowhere/webhook\"\n\
                    repositories = [\"acme/*\"]\n";
        std::fs::write(file.path(), text).expect("written");
        let error = check_config(Some(file.path())).expect_err("no token");
        assert!(format!("{error:#}").contains("`/nowhere/token`"), "{error:#}");
        std::fs::write(file.path(), "").expect("written");
        let told = check_config(Some(file.path())).expect("a good file");
        assert_eq!(told, format!("{} is good\n", file.path().display()));
    }

    #[test]
    fn pages_and_completions_name_the_program() {
        assert!(man::all_pages(command_line()).expect("pages").contains("berthd\\-check\\-config"));
        let shell = clap_complete::Shell::Bash;
        assert!(completions::render(command_line(), shell).contains("check-config"));
    }
}
