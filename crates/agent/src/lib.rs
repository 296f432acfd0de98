//! The `agent` program: isolated NixOS containers in seconds.
//!
//! [`main`] is the outermost layer: it reads the command line, the clock and
//! the environment, and prints the one error. The command line is `cli`, each
//! subcommand a file in `command`, and what they do is in `berth-host`.

mod cli;
mod command;
mod context;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use berth_core::Layout;
use berth_host::exec;
use berth_term::{Caller, Code, Failure, Screen, logs};
use clap::{CommandFactory, Parser};
use rustix::fs::Mode;

use self::cli::Cli;
use self::context::Context;

/// Runs the program.
pub fn main() -> ExitCode {
    // What the host writes must not depend on who called: a strict mask would
    // hide from containers what they are meant to read, a lax one would open
    // folders.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let caller = Caller::of_this_process();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &Screen::of_this_process(&caller, false)),
    };
    let screen = Screen::of_this_process(&caller, cli.verbose > 0);
    let code = start(cli, caller, &screen).unwrap_or_else(|failure| {
        screen.failure(&failure);
        failure.code().into()
    });
    exec::settle();
    code
}

/// The definition of the command line, for generated documents.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Prints what clap has to say: help on stdout, errors on stderr, escaped, as
/// an error quotes the command line.
fn refuse(error: &clap::Error, screen: &Screen) -> ExitCode {
    if error.use_stderr() {
        screen.note(error.render().to_string().trim_end());
        Code::Usage.into()
    } else {
        error.exit()
    }
}

/// Prints the help of a command, as `--help` behind it does.
fn help(command: &[String], screen: &Screen) -> ExitCode {
    let words = ["agent"].into_iter().chain(command.iter().map(String::as_str)).chain(["--help"]);
    match Cli::try_parse_from(words) {
        Err(error) => refuse(&error, screen),
        Ok(_) => Code::Ok.into(),
    }
}

fn start(cli: Cli, caller: Caller, screen: &Screen) -> Result<ExitCode, Failure> {
    logs::init(cli.verbose, &caller, screen)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::because("could not start the threads of this program", error))?;
    runtime.block_on(run(cli, caller, screen.clone(), Layout::host()))
}

async fn run(cli: Cli, caller: Caller, screen: Screen, layout: Layout) -> Result<ExitCode, Failure> {
    if cli.config.is_some() {
        caller.need_own_rights("--config")?;
    }
    let context = Context::new(caller, screen, layout, cli.config, cli.command.name());
    cli.command.run(&context).await
}
