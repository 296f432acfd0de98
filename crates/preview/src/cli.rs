//! The command line.

use std::process::ExitCode;

use berth_core::Kind;
use berth_term::command::{check_config, completions, help, man};
use berth_term::{Code, CommandLine, Context, Failure, Options};
use clap::{Parser, Subcommand};

use crate::command::{
    build, check, create, destroy, doctor, events, expire, info, jobs, list, logs, restart, retry, run,
    update,
};

const NAME: &str = "preview";

/// A branch or a pull request becomes a running site
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
  preview create acme/site main
  preview create acme/site fix/login --pr 12
  preview update site-12
  preview logs site-12 -f
  preview destroy site-12";

const CONVENTIONS: &str = "\
Results go to stdout (with --json as one JSON value), everything else to stderr.
Errors are text on stderr with --json too; stdout is empty then.
`preview run` ends with the exit code of what it ran.";

fn after_long_help() -> String {
    format!("{CONVENTIONS}\n\n{}\n\n{EXAMPLES}", Code::HELP)
}

impl CommandLine for Cli {
    const KIND: Kind = Kind::Preview;

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
    #[command(alias = "deploy")]
    Create(create::Args),
    Update(update::Args),
    #[command(alias = "ls")]
    List(list::Args),
    #[command(alias = "show")]
    Info(info::Args),
    Logs(logs::Args),
    #[command(alias = "exec")]
    Run(run::Args),
    Restart(restart::Args),
    #[command(alias = "rm")]
    Destroy(destroy::Args),
    Expire(expire::Args),
    Events(events::Args),
    Jobs(jobs::Args),
    Retry(retry::Args),
    Build(build::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    #[command(after_help = check_config::examples(NAME))]
    CheckConfig(check_config::Args),
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
            Self::Update(_) => "update",
            Self::List(_) => "list",
            Self::Info(_) => "info",
            Self::Logs(_) => "logs",
            Self::Run(_) => "run",
            Self::Restart(_) => "restart",
            Self::Destroy(_) => "destroy",
            Self::Expire(_) => "expire",
            Self::Events(_) => "events",
            Self::Jobs(_) => "jobs",
            Self::Retry(_) => "retry",
            Self::Build(_) => "build",
            Self::Check(_) => "check",
            Self::Doctor(_) => "doctor",
            Self::CheckConfig(_) => "check-config",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
            Self::Help(_) => "help",
        }
    }

    async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Create(args) => create::run(args, context).await,
            Self::Update(args) => update::run(args, context).await,
            Self::List(args) => list::run(&args, context).await,
            Self::Info(args) => info::run(&args, context).await,
            Self::Logs(args) => logs::run(args, context).await,
            Self::Run(args) => run::run(args, context).await,
            Self::Restart(args) => restart::run(&args, context).await,
            Self::Destroy(args) => destroy::run(args, context).await,
            Self::Expire(args) => expire::run(&args, context).await,
            Self::Events(args) => events::run(args, context).await,
            Self::Jobs(args) => jobs::run(&args, context).await,
            Self::Retry(args) => retry::run(&args, context).await,
            Self::Build(args) => build::run(args, context).await,
            Self::Check(args) => check::run(&args, context).await,
            Self::Doctor(args) => doctor::run(&args, context).await,
            Self::CheckConfig(args) => check_config::run(&args, context),
            Self::Completions(args) => completions::run(&args, context),
            Self::Man(args) => man::run(&args, context),
            Self::Help(args) => Ok(help::run(&args, context)),
        }
    }
}
