//! The command line.

use clap::{Parser, Subcommand};

use crate::host;

/// Developer tasks of Berth.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// The test host: a throwaway Debian system with systemd as process 1.
    Host(host::Args),
}
