//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Makes pull requests drive previews, and keeps running what should run
///
/// systemd starts it: it tells when it is ready, what it does and that it is
/// alive, and logs JSON to stderr.
#[derive(Debug, Parser)]
#[command(name = "berthd", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Read this configuration instead of /etc/berth/berth.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Read the configuration and the files that it names, and end
    #[arg(long)]
    pub(crate) check_config: bool,
}
