//! `preview run`.

use std::ffi::OsString;
use std::process::ExitCode;

use berth_core::Name;
use berth_host::guests::User;
use berth_term::{Context, Failure, inside};

use super::running;

const EXAMPLES: &str = "\
Examples:
  preview run site-12 -- sh -c '. /etc/preview.env && psql \"$DATABASE_URL\"'
  preview run site-12 --root -- systemctl status web.service
  preview run site-12 --root -- bash";

/// Run a command in a preview
///
/// The command runs as a unit of the container's own systemd, as the user
/// `preview`, like the services, with our stdin, stdout and stderr, and with a
/// terminal of its own when stdin and stdout are terminals. Its exit code is
/// ours. It ends when we are interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The preview
    slug: Name,

    /// Run it as root of the container
    #[arg(long)]
    root: bool,

    /// The command and its arguments; no shell reads them
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let container = running::running(&host, context.program(), &args.slug).await?;
    host.state.close().await;
    let user = if args.root { User::Root } else { User::Own };
    inside::run(container, user, &args.command).await
}
