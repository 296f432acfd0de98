//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use berth_term::{Code, Failure};
use clap::{ArgAction, Parser, Subcommand};

use crate::command::{
    build, check_config, completions, create, destroy, doctor, events, expire, firewall, help, info, list,
    logs, man, run, ssh, start, stop,
};
use crate::context::Context;

/// Isolated NixOS containers for people and coding agents, in seconds
#[derive(Debug, Parser)]
#[command(
    name = "agent",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = after_long_help(),
    // Our own is hidden, and has no help on help on help.
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Read this configuration instead of /etc/berth/berth.toml
    ///
    /// Refused through sudo, like every option that takes a path.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Options of every command")]
    pub(crate) config: Option<PathBuf>,

    /// Tell every step on stderr; twice, every tool that is called
    ///
    /// `BERTH_LOG` chooses more finely what is logged (`info`,
    /// `berth_host=debug`); refused through sudo.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Options of every command")]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  agent create fix-login --ttl 8h
  agent ssh fix-login
  agent run fix-login -- git status
  agent destroy fix-login";

const CONVENTIONS: &str = "\
Results go to stdout (with --json as one JSON value), everything else to stderr.
Errors are text on stderr with --json too; stdout is empty then.
`agent ssh` and `agent run` end with the exit code of what they ran.";

fn after_long_help() -> String {
    format!("{CONVENTIONS}\n\n{}\n\n{EXAMPLES}", Code::HELP)
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Args),
    Ssh(ssh::Args),
    #[command(alias = "exec")]
    Run(run::Args),
    #[command(alias = "ls")]
    List(list::Args),
    #[command(alias = "show")]
    Info(info::Args),
    Events(events::Args),
    Logs(logs::Args),
    Stop(stop::Args),
    Start(start::Args),
    #[command(alias = "rm")]
    Destroy(destroy::Args),
    Expire(expire::Args),
    Build(build::Args),
    Doctor(doctor::Args),
    CheckConfig(check_config::Args),
    Firewall(firewall::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[command(hide = true)]
    Help(help::Args),
}

impl Command {
    /// The word on the command line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Ssh(_) => "ssh",
            Self::Run(_) => "run",
            Self::List(_) => "list",
            Self::Info(_) => "info",
            Self::Events(_) => "events",
            Self::Logs(_) => "logs",
            Self::Stop(_) => "stop",
            Self::Start(_) => "start",
            Self::Destroy(_) => "destroy",
            Self::Expire(_) => "expire",
            Self::Build(_) => "build",
            Self::Doctor(_) => "doctor",
            Self::CheckConfig(_) => "check-config",
            Self::Firewall(_) => "firewall",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
            Self::Help(_) => "help",
        }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Create(args) => create::run(args, context).await,
            Self::Ssh(args) => ssh::run(args, context).await,
            Self::Run(args) => run::run(args, context).await,
            Self::List(args) => list::run(&args, context).await,
            Self::Info(args) => info::run(&args, context).await,
            Self::Events(args) => events::run(args, context).await,
            Self::Logs(args) => logs::run(args, context).await,
            Self::Stop(args) => stop::run(&args, context).await,
            Self::Start(args) => start::run(&args, context).await,
            Self::Destroy(args) => destroy::run(args, context).await,
            Self::Expire(args) => expire::run(&args, context).await,
            Self::Build(args) => build::run(&args, context).await,
            Self::Doctor(args) => doctor::run(&args, context).await,
            Self::CheckConfig(args) => check_config::run(&args, context),
            Self::Firewall(args) => firewall::run(&args, context).await,
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args, context),
            Self::Help(args) => Ok(help::run(&args, context)),
        }
    }
}
