//! `agent destroy`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use berth_core::Name;
use berth_host::Host;
use berth_host::agents::{self, Actor, AgentError, Destroyed};
use berth_term::{Code, Failure, Screen, ask, interrupt, stdout};
use tokio::task::{JoinError, JoinSet};

use super::create::print_plan;
use crate::context::Context;

/// How many are removed at once. Stopping a container is mostly waiting, but
/// each keeps a disk and systemd busy.
const AT_ONCE: usize = 4;

/// How many are named when it is asked whether to remove all.
const NAMED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  agent destroy fix-login
  agent destroy fix-login try-2 try-3
  agent destroy --all --yes";

/// Remove agents and everything that belongs to them
///
/// One that is not there is no error. One that cannot be removed does not keep
/// the others; what is left of it is named, and its record stays until nothing
/// is left.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agents
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "NAME")]
    names: Vec<Name>,

    /// Remove all agents of this host
    #[arg(long)]
    all: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Print the steps and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let names: BTreeSet<Name> = if args.all { all(&host).await? } else { args.names.into_iter().collect() };
    if names.is_empty() {
        context.screen.note("there are no agents");
        return Ok(Code::Ok.into());
    }
    if args.dry_run {
        return print_plans(&host, &names).await;
    }
    if args.all && !args.yes && !confirm(&names)? {
        context.screen.note("nothing was removed");
        return Ok(Code::Failed.into());
    }
    let destroyer = Destroyer { host, by: context.actor(), screen: context.screen.clone() };
    destroy_all(Arc::new(destroyer), names).await
}

async fn all(host: &Host) -> Result<BTreeSet<Name>, Failure> {
    let records = host.state.berths(Some(berth_core::Kind::Agent)).await?;
    Ok(records.into_iter().map(|record| record.name).collect())
}

async fn print_plans(host: &Host, names: &BTreeSet<Name>) -> Result<ExitCode, Failure> {
    for name in names {
        let plan = agents::plan_destroy(host, name).await?;
        if names.len() > 1 {
            stdout::print(&format!("{name}:\n"))?;
        }
        print_plan(&plan, false)?;
    }
    Ok(Code::Ok.into())
}

/// The agents that `--all` means, the first ones by name.
fn described(names: &BTreeSet<Name>) -> String {
    let list: Vec<&str> = names.iter().map(Name::as_str).collect();
    match list.as_slice() {
        [one] => format!("the agent {one}"),
        many if many.len() <= NAMED => format!("all {} agents ({})", many.len(), many.join(", ")),
        many => format!(
            "all {} agents ({} and {} more)",
            many.len(),
            many[..NAMED].join(", "),
            many.len() - NAMED
        ),
    }
}

fn confirm(names: &BTreeSet<Name>) -> Result<bool, Failure> {
    let what = described(names);
    if !ask::can_ask() {
        let message = format!("`--all` would remove {what}: add `--yes`, as there is no terminal to ask at");
        return Err(Failure::new(Code::Usage, message));
    }
    ask::confirm(&format!("Remove {what} with everything in them?"))
        .map_err(|error| Failure::because("could not ask at the terminal", error))
}

struct Destroyer {
    host: Host,
    by: Actor,
    screen: Screen,
}

impl Destroyer {
    /// Removes one agent and tells how that went.
    async fn destroy(&self, name: Name, label: Option<&str>) -> Code {
        let work = self.screen.work(label);
        let outcome = agents::destroy(&self.host, &name, &self.by, &work).await;
        drop(work);
        match outcome {
            // Success, and yet a slip of the fingers should not pass for it.
            Ok(Destroyed::NotThere) => {
                let near = agents::nearest(&self.host, &name).await.ok().flatten();
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.screen.note(&format!("there is no agent `{name}`{hint}"));
                Code::Ok
            }
            other => tell(&self.screen, &name, other),
        }
    }
}

/// Tells what became of one agent, and the code for it.
pub(super) fn tell(screen: &Screen, name: &Name, outcome: Result<Destroyed, AgentError>) -> Code {
    let printed = match outcome {
        Ok(Destroyed::Removed) => {
            screen.above(|| stdout::print(&format!("destroyed {name}\n"))).map_err(Failure::from)
        }
        Ok(Destroyed::NotThere) => {
            screen.note(&format!("there is no agent `{name}`"));
            Ok(())
        }
        Err(error) => Err(Failure::from(error)),
    };
    match printed {
        Ok(()) => Code::Ok,
        Err(failure) => {
            screen.failure(&failure);
            failure.code()
        }
    }
}

const FINISHING: &str =
    "interrupted: finishing the removals under way (once more to leave them to `agent doctor --fix`)";

/// Removes several at once, a few at a time. Each has a task of its own, so
/// that one that panics does not keep the others.
async fn destroy_all(destroyer: Arc<Destroyer>, names: BTreeSet<Name>) -> Result<ExitCode, Failure> {
    let interrupt = interrupt::listen(&destroyer.screen, FINISHING)?;
    let is_one = names.len() == 1;
    let mut waiting = names.into_iter();
    let mut tasks = JoinSet::new();
    let mut codes = Vec::new();
    loop {
        while tasks.len() < AT_ONCE && !interrupt.is_interrupted() {
            let Some(name) = waiting.next() else { break };
            let destroyer = Arc::clone(&destroyer);
            tasks.spawn(async move {
                let label = name.to_string();
                destroyer.destroy(name, (!is_one).then_some(&label)).await
            });
        }
        match tasks.join_next().await {
            Some(ended) => codes.push(ended.map_err(panicked)?),
            None => break,
        }
    }
    let is_cut_short = waiting.next().is_some();
    Ok(if is_cut_short { Code::Interrupted } else { overall(&codes) }.into())
}

fn panicked(error: JoinError) -> Failure {
    Failure::because("a removal ended unexpectedly", error)
}

/// One failure keeps its own code; several are just that.
pub(super) fn overall(codes: &[Code]) -> Code {
    let mut failures = codes.iter().filter(|code| **code != Code::Ok);
    match (failures.next(), failures.next()) {
        (None, _) => Code::Ok,
        (Some(only), None) => *only,
        (Some(_), Some(_)) => Code::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_tells_whether_all_are_gone() {
        use Code::{Busy, Failed, Ok};
        assert_eq!(overall(&[]), Ok);
        assert_eq!(overall(&[Ok, Ok]), Ok);
        assert_eq!(overall(&[Ok, Busy]), Busy);
        assert_eq!(overall(&[Busy, Ok, Busy]), Failed);
    }

    #[test]
    fn of_many_agents_only_some_are_named() {
        let names = |count: usize| (0..count).map(|n| format!("a{n:02}").parse().expect("a name")).collect();
        assert_eq!(described(&names(1)), "the agent a00");
        assert_eq!(described(&names(2)), "all 2 agents (a00, a01)");
        let many = "all 12 agents (a00, a01, a02, a03, a04, a05, a06, a07, a08, a09 and 2 more)";
        assert_eq!(described(&names(12)), many);
    }

    #[test]
    fn everything_is_not_removed_without_a_yes() {
        // Tests have no terminal, like a script.
        if ask::can_ask() {
            return;
        }
        let names = ["a", "b"].map(|name| name.parse().expect("a name")).into();
        insta::assert_snapshot!(confirm(&names).expect_err("nobody to ask"), @"error: `--all` would remove all 2 agents (a, b): add `--yes`, as there is no terminal to ask at");
    }
}
