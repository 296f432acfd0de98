//! The command line.

use clap::{Parser, Subcommand};

use crate::{bench, docs, fuzz, host, test};

/// Developer tasks of Berth.
#[derive(Debug, Parser)]
#[command(name = "./dev", bin_name = "./dev")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Boot a host and run the main job on it for real.
    Demo,
    /// Everything that CI checks.
    Test(test::Args),
    /// The fast part of `test`: format, lints, unit tests.
    Check,
    /// Format all files of Rust and Nix.
    Format,
    /// Benchmarks, as ratios to the plain tools in the same run.
    Bench(bench::Args),
    /// What faces the internet, against inputs that nobody thought of.
    Fuzz(fuzz::Args),
    /// The test host: a throwaway Debian system with systemd as process 1.
    Host(host::Args),
    /// Write the generated reference in `docs/reference` anew.
    Docs(docs::Args),
}
