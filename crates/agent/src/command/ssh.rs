//! `agent ssh`.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use berth_core::Name;
use berth_host::login::{Session, SshLogins};
use berth_term::{Code, Context, Failure};

use super::running;

const EXAMPLES: &str = "\
As with ssh, the words of a command are joined and read by the shell inside;
`agent run` hands them over as they are.

Examples:
  agent ssh fix-login
  agent ssh fix-login -- make -C project test
  ssh -t berth.example.com sudo agent ssh fix-login";

/// Enter an agent through ssh, as the user `agent`
///
/// Uses Berth's own key and accepts only the host key that the agent was
/// given. This program becomes ssh, so that terminal, signals and exit code
/// are ssh's.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agent
    name: Name,

    /// A command to run instead of a shell
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let record = running::running(&host, context.program(), &args.name).await?;
    let target = berth_host::target(&host, &record).ok_or_else(|| {
        let message = format!("the agent `{}` has no host key or no address; see `agent doctor`", args.name);
        Failure::new(Code::Failed, message)
    })?;
    host.state.close().await;
    let logins = SshLogins::new(&host.layout);
    drop(host);
    let is_at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    Err(logins.session(&target, session(args.command, is_at_terminal))?.replace().into())
}

/// ssh asks for a terminal by itself only when there is no command.
fn session(command: Vec<OsString>, is_at_terminal: bool) -> Session {
    let needs_terminal = is_at_terminal && !command.is_empty();
    let options = needs_terminal.then(|| OsString::from("-t")).into_iter().collect();
    Session { options, command, term: env::var_os("TERM") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_a_terminal_where_there_is_one() {
        let options = |command: &[&str], is_at_terminal| {
            session(command.iter().map(Into::into).collect(), is_at_terminal).options
        };
        assert_eq!(options(&["htop"], true), ["-t"]);
        assert!(options(&["cat"], false).is_empty());
        assert!(options(&[], true).is_empty());
    }
}
