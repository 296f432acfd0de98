//! Developer tasks, called through `./dev` or `cargo xtask`.

mod bench;
mod check;
mod cli;
mod demo;
mod docs;
mod fuzz;
mod golden;
mod host;
mod nix;
mod nixos;
mod programs;
mod step;
mod test;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let result = match cli::Cli::parse().task {
        cli::Task::Demo => demo::run(),
        cli::Task::Test(args) => test::run(&args),
        cli::Task::Check => check::run(),
        cli::Task::Format => nix::format_all(),
        cli::Task::Bench(args) => bench::run(&args),
        cli::Task::Fuzz(args) => fuzz::run(&args),
        cli::Task::Host(args) => host::run(args),
        cli::Task::Docs(args) => docs::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
