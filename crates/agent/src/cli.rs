//! The command line.

use std::process::ExitCode;

use berth_core::Kind;
use berth_term::command::{check_config, completions, help, man};
use berth_term::{Code, CommandLine, Context, Failure, Options};
use clap::{Parser, Subcommand};

use crate::command::{
    build, create, destroy, doctor, events, expire, firewall, info, list, logs, run, ssh, start, stop,
};

const NAME: &str = "agent";

/// Isolated NixOS containers for people and coding agents, in seconds
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = after_long_help(),
    // Our own is hidden, and has no help on help on help.
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    options: Options,

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

impl CommandLine for Cli {
    const KIND: Kind = Kind::Agent;

    fn options(&self) -> &Options {
        &self.options
    }

    fn name(&self) -> &'static str {
        self.command.name()
    }

    async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        self.command.run(context).await
    }
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
    #[command(after_help = check_config::examples(NAME))]
    CheckConfig(check_config::Args),
    Firewall(firewall::Args),
    #[command(after_help = completions::examples(NAME))]
    Completions(completions::Args),
    #[command(after_help = man::examples(NAME))]
    Man(man::Args),
    #[command(hide = true, after_help = help::examples(NAME))]
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
            Self::Completions(args) => completions::run(&args, context),
            Self::Man(args) => man::run(&args, context),
            Self::Help(args) => Ok(help::run(&args, context)),
        }
    }
}
