//! The outermost layer of a program.
//!
//! [`main`] reads the command line, the clock and the environment, and prints
//! the one error. What a program can do is its [`CommandLine`].

use std::path::PathBuf;
use std::process::ExitCode;

use berth_core::{Kind, Layout};
use berth_host::exec;
use clap::{ArgAction, Parser};
use rustix::fs::Mode;

use crate::{Caller, Code, Context, Failure, Screen, logs};

/// The command line of a program, which is called like the kind that it is for.
pub trait CommandLine: Parser {
    /// What it makes, looks after and removes.
    const KIND: Kind;

    /// What is said beside the command.
    fn options(&self) -> &Options;

    /// The word of the command.
    fn name(&self) -> &'static str;

    /// Does what is asked for.
    fn run(self, context: &Context) -> impl Future<Output = Result<ExitCode, Failure>>;
}

// No documentation: clap would take it for the description of the program.
#[expect(missing_docs, reason = "the documentation of a flattened struct becomes that of the program")]
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Read this configuration instead of /etc/berth/berth.toml
    ///
    /// Refused through sudo, like every option that takes a path.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Options of every command")]
    pub config: Option<PathBuf>,

    /// Tell every step on stderr; twice, every tool that is called
    ///
    /// `BERTH_LOG` chooses more finely what is logged (`info`,
    /// `berth_host=debug`); refused through sudo.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Options of every command")]
    pub verbose: u8,
}

/// Runs a program.
pub fn main<C: CommandLine>() -> ExitCode {
    // What the host writes must not depend on who called: a strict mask would
    // hide from containers what they are meant to read, a lax one would open
    // folders.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let caller = Caller::of_this_process(C::KIND);
    let line = match C::try_parse() {
        Ok(line) => line,
        Err(error) => return refuse(&error, &Screen::of_this_process(&caller, false)),
    };
    let screen = Screen::of_this_process(&caller, line.options().verbose > 0);
    let code = start(line, caller, &screen).unwrap_or_else(|failure| {
        screen.failure(&failure);
        failure.code().into()
    });
    exec::settle();
    code
}

/// Prints what clap has to say: help on stdout, errors on stderr, escaped, as
/// an error quotes the command line.
pub(crate) fn refuse(error: &clap::Error, screen: &Screen) -> ExitCode {
    if error.use_stderr() {
        screen.note(error.render().to_string().trim_end());
        Code::Usage.into()
    } else {
        error.exit()
    }
}

fn start<C: CommandLine>(line: C, caller: Caller, screen: &Screen) -> Result<ExitCode, Failure> {
    logs::init(line.options().verbose, &caller, screen)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::because("could not start the threads of this program", error))?;
    runtime.block_on(run(line, caller, screen.clone(), Layout::host()))
}

/// Runs a command line on the host that lies there.
pub async fn run<C: CommandLine>(
    line: C,
    caller: Caller,
    screen: Screen,
    layout: Layout,
) -> Result<ExitCode, Failure> {
    let config = line.options().config.clone();
    if config.is_some() {
        caller.need_own_rights("--config")?;
    }
    let context = Context::new(caller, screen, layout, config, line.name(), C::command);
    line.run(&context).await
}
