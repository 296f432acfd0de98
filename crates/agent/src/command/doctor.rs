//! `agent doctor`.

use std::process::ExitCode;

use berth_term::command::doctor::{self, Options};
use berth_term::{Context, Failure};

const EXAMPLES: &str = "\
Looks at the configuration, the tools, the kernel, the network, the firewall, the guard,
the records and what the host has beside them. Ends with 1 if an error remains.

Examples:
  agent doctor
  agent doctor --fix
  agent doctor --json | jq '.findings[] | select(.severity != \"ok\")'";

/// Look the host over, and repair what was left half done
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Repair what needs no decision of a person
    ///
    /// Finishes or removes what killed commands left, removes what no record
    /// explains, loads the firewall and starts the agents that should run.
    #[arg(long)]
    fix: bool,

    /// Begin with empty records if they are lost: the containers and databases
    /// of previews that the host has are removed
    #[arg(long, requires = "fix")]
    give_up: bool,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let Args { fix, give_up, json } = *args;
    doctor::run(Options { fix, give_up, json }, context).await
}
