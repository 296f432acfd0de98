//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// Makes pull requests drive previews, and keeps running what should run
///
/// It takes deliveries out of the spool of preview-webhook, asks GitHub how each
/// pull request is, and makes, updates and removes previews so that they follow.
/// It also starts what should run, repairs what was left half done and removes
/// what has outlived its time, with or without a section [github].
///
/// Run it as root under systemd: it tells when it is ready, what it does and that
/// it is alive, and logs JSON to stderr. SIGTERM ends it, after deployments under
/// way have taken back what they did.
#[derive(Debug, Parser)]
#[command(
    name = "berthd",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = LONG_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Read this configuration instead of /etc/berth/berth.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  berthd check-config
  systemctl start berthd
  preview jobs
  curl --unix-socket /run/berth/metrics.sock http://localhost/metrics";

const LONG_HELP: &str = "\
Environment:
  BERTH_LOG  what is logged, such as `warn,berth=debug`; `warn,berth=info` when not set

Exit codes:
  0  ended as asked, or done
  1  failed; the log tells why
  2  the command line is wrong

Examples:
  berthd check-config
  systemctl start berthd
  preview jobs
  curl --unix-socket /run/berth/metrics.sock http://localhost/metrics";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the configuration and the files with secrets that [github] names
    ///
    /// Run it as who can read those files. It starts nothing and asks nobody, so
    /// whether GitHub takes the key or the token is not checked.
    #[command(after_help = CHECK_EXAMPLES)]
    CheckConfig {
        /// The file; /etc/berth/berth.toml when not given
        #[arg(value_name = "FILE")]
        path: Option<PathBuf>,
    },
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual pages
    #[command(after_help = MAN_EXAMPLES)]
    Man,
}

const CHECK_EXAMPLES: &str = "\
Exit codes:
  0  it could be used
  1  it could not; stderr tells why

Examples:
  berthd check-config
  berthd check-config ./berth.toml && systemctl restart berthd";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  berthd completions bash > /etc/bash_completion.d/berthd";

const MAN_EXAMPLES: &str = "\
Examples:
  berthd man | man -l -";
