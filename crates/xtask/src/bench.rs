//! `bench`: how long things take, next to the plain tools in the same run.

mod agent;
mod preview;
mod sample;
mod webhook;

use std::process::ExitCode;

use anyhow::Result;
use berth_testhost::{BootOptions, Cache, TestHost};
use clap::ValueEnum;

use crate::programs::{self, Profile};

const HOST: &str = "bench";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which; all when not given.
    name: Option<Name>,

    /// How often each side is measured.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// `agent create` to the first login, and `agent list` with 500 records.
    Agent,
    /// `preview create` to the first answer, updates, and the cost of routes.
    Preview,
    /// Answers of `preview-webhook` at 500 deliveries a second.
    Webhook,
}

/// Measures with the programs as they are shipped.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.name.is_none_or(|wanted| wanted == Name::Webhook) {
        webhook::run()?;
    }
    if args.name != Some(Name::Webhook) {
        on_host(args)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What needs a host, on one of its own.
fn on_host(args: &Args) -> Result<()> {
    let cache = Cache::from_env()?;
    TestHost::down(&cache, HOST)?;
    let host = TestHost::boot(&cache, &BootOptions::named(HOST), &mut |text| eprintln!("==> {text}"))?;
    let measured = programs::install(&host, Profile::Release).map(|()| {
        let is_wanted = |name| args.name.is_none_or(|wanted| wanted == name);
        if is_wanted(Name::Agent) {
            agent::run(&host, args.rounds);
        }
        if is_wanted(Name::Preview) {
            preview::run(&host, args.rounds);
        }
    });
    TestHost::down(&cache, HOST)?;
    measured
}
