//! Developer tasks, called through `./dev` or `cargo xtask`.

mod cli;
mod host;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = cli::Cli::parse();
    let result = match cli.task {
        cli::Task::Host(args) => host::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        std::process::ExitCode::FAILURE
    })
}
