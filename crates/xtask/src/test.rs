//! `test`: everything that CI checks.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use berth_testhost::{BootOptions, Cache, TestHost};
use clap::Subcommand;

use crate::programs::{self, Profile};
use crate::{check, demo, fuzz, nixos, step};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is no part of all tests, as it needs what not every machine has.
#[derive(Debug, Subcommand)]
enum Part {
    /// The NixOS modules, evaluated with the trees in `BERTH_NIXPKGS` and `BERTH_DISKO`.
    Nixos(nixos::Args),
}

/// The host that the tests share; another than that of `./dev host`, so that
/// nobody's work is disturbed.
const HOST: &str = "test";

/// The fast checks, a minute of fuzzing, then every end-to-end test on a freshly booted host and
/// a look at whether all of them left it clean, then the demo.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(Part::Nixos(args)) = &args.part {
        return nixos::run(args);
    }
    let begin = Instant::now();
    check::run()?;
    fuzz::run_for_a_minute()?;
    let cache = Cache::from_env()?;
    TestHost::down(&cache, HOST)?;
    let host = TestHost::boot(&cache, &BootOptions::named(HOST), &mut |text| eprintln!("==> {text}"))?;
    let tested = on_host(&host);
    TestHost::down(&cache, HOST)?;
    tested?;
    // What people try first.
    demo::run()?;
    eprintln!("everything passed in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn on_host(host: &TestHost) -> Result<()> {
    programs::install(host, Profile::Dev)?;
    for (title, package) in [("tests of the test host", "berth-testhost"), ("end-to-end tests", "berth-e2e")]
    {
        let mut tests = step::tests(&["--package", package]);
        step::run(title, tests.env("BERTH_TEST_HOST", host.name()))?;
    }
    host.assert_clean();
    Ok(())
}
