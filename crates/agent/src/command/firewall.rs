//! `agent firewall`.

use std::process::ExitCode;

use berth_core::firewall;
use berth_host::firewall_table;
use berth_term::{Code, Context, Failure, stdout};
use clap::Subcommand;

const EXAMPLES: &str = "\
Containers start only while the table is in force; a unit of the host loads it at boot.

Examples:
  agent firewall show | nft --check -f -
  agent firewall load";

/// Show or load Berth's part of the firewall
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the commands for `nft -f -` that `load` would give
    Show,
    /// Put the table `inet berth` in force, with the berths on record
    Load,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    context.need_root()?;
    match args.action {
        Action::Show => {
            let host = context.host().await?;
            let pins = firewall_table::recorded_pins(&host).await?;
            stdout::print(&firewall::load_commands(host.config.subnet, &pins))?;
        }
        Action::Load => {
            if !firewall_table::load_without_records(&context.layout, &context.config()?).await? {
                firewall_table::load(&context.host().await?).await?;
            }
        }
    }
    Ok(Code::Ok.into())
}
