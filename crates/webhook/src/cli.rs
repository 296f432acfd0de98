//! The command line.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Takes GitHub's webhooks: verifies their signatures and stores them for berthd
///
/// It listens on the sockets that systemd passes (one named `metrics` is for
/// Prometheus) or on `--listen`. The secrets are systemd's credentials
/// `webhook-secret` and, while it is being replaced, `webhook-secret-previous`,
/// or the files given here. All secrets that it has are good.
///
/// It needs no right of root's, no network of its own and nothing of Berth but
/// the folder. SIGTERM ends it, after requests under way have been answered.
#[derive(Debug, Parser)]
#[command(
    name = "preview-webhook",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Option<Options>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  preview-webhook --listen 127.0.0.1:9000 --spool /var/spool/berth --secret-file webhook.secret
  preview-webhook check-config --spool /var/spool/berth --secret-file webhook.secret

Answers of POST /webhook/github:
  202 stored   204 means nothing here   400 malformed   401 bad signature
  408 too slow   413 too large   415 content type   429 too often   503 no room
GET /healthz answers 200 as long as it runs, GET /readyz while it could store one more.

Environment:
  BERTH_LOG  what is logged, such as `berth_webhook=debug`; `info` when not set

Exit codes:
  0  ended as asked, or done
  1  failed; stderr tells why
  2  the command line is wrong, or it could not run with these options";

const CHECK_EXAMPLES: &str = "\
Exit codes:
  0  it could run
  2  it could not; stderr tells every reason

Examples:
  preview-webhook check-config --spool /var/spool/berth --secret-file webhook.secret";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  preview-webhook completions bash > /etc/bash_completion.d/preview-webhook";

const MAN_EXAMPLES: &str = "\
Examples:
  preview-webhook man | man -l -";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell whether it could run with these options, and if not, every reason.
    #[command(after_help = CHECK_EXAMPLES)]
    CheckConfig(Options),
    /// Print the completions of a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(after_help = MAN_EXAMPLES)]
    Man,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Address to take deliveries on, besides systemd's sockets.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// Address to show metrics on, besides systemd's socket.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,

    /// Folder to store deliveries in. It must be there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) spool: PathBuf,

    /// File with the secret, instead of systemd's credential.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// File with the secret before it, which is still good.
    #[arg(long, value_name = "FILE")]
    pub(crate) previous_secret_file: Option<PathBuf>,

    /// The most deliveries in the spool.
    #[arg(long, value_name = "NUMBER", default_value = "10000")]
    pub(crate) max_files: NonZeroU64,

    /// The most bytes in the spool.
    #[arg(long, value_name = "BYTES", default_value = "1073741824")]
    pub(crate) max_bytes: NonZeroU64,

    /// The most connections at once; others wait.
    #[arg(long, value_name = "NUMBER", default_value = "512")]
    pub(crate) max_connections: NonZeroU32,

    /// The most requests a second from one address.
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    pub(crate) rate: NonZeroU32,

    /// How many seconds a body may take.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) body_timeout: u64,

    /// Run as root all the same. It needs no right of root's.
    #[arg(long)]
    pub(crate) allow_root: bool,
}
