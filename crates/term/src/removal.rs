//! Removing many things at once, and telling how each removal went.

use std::collections::BTreeSet;
use std::process::ExitCode;

use berth_core::{Kind, Name};
use berth_host::agents::Destroyed;
use tokio::task::{JoinError, JoinSet};

use crate::{Code, Context, Failure, Screen, Work, ask, interrupt, stdout};

/// How many are removed at once. Stopping a container is mostly waiting, but
/// each keeps a disk and systemd busy.
const AT_ONCE: usize = 4;

/// How many are named when it is asked whether to remove all.
const NAMED: usize = 10;

const FINISHING: &str =
    "interrupted: finishing the removals under way (once more to leave them to `agent doctor --fix`)";

/// What became of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Removed,
    /// There was nothing to remove.
    NotThere {
        /// One that there is, and that may be meant.
        near: Option<Name>,
    },
}

impl From<Destroyed> for Removed {
    fn from(destroyed: Destroyed) -> Self {
        match destroyed {
            Destroyed::Removed => Self::Removed,
            Destroyed::NotThere => Self::NotThere { near: None },
        }
    }
}

/// Asks whether all of these are meant; `--yes` is the answer without a
/// terminal.
pub fn confirm_all(kind: Kind, names: &BTreeSet<Name>) -> Result<bool, Failure> {
    let what = described(kind, names);
    if !ask::can_ask() {
        let message = format!("`--all` would remove {what}: add `--yes`, as there is no terminal to ask at");
        return Err(Failure::new(Code::Usage, message));
    }
    ask::confirm(&format!("Remove {what} with everything in them?"))
        .map_err(|error| Failure::because("could not ask at the terminal", error))
}

/// What `--all` means, the first ones by name.
fn described(kind: Kind, names: &BTreeSet<Name>) -> String {
    let noun = kind.as_str();
    let list: Vec<&str> = names.iter().map(Name::as_str).collect();
    match list.as_slice() {
        [one] => format!("the {noun} {one}"),
        many if many.len() <= NAMED => format!("all {} {noun}s ({})", many.len(), many.join(", ")),
        many => format!(
            "all {} {noun}s ({} and {} more)",
            many.len(),
            many[..NAMED].join(", "),
            many.len() - NAMED
        ),
    }
}

/// Removes several at once, a few at a time, and tells of each how that went.
/// Each has a task of its own, so that one that panics does not keep the others.
pub async fn remove_all<R, F>(
    context: &Context,
    names: BTreeSet<Name>,
    remove: R,
) -> Result<ExitCode, Failure>
where
    R: Fn(Name, Work) -> F,
    F: Future<Output = Result<Removed, Failure>> + Send + 'static,
{
    let interrupt = interrupt::listen(&context.screen, FINISHING)?;
    let is_one = names.len() == 1;
    let mut waiting = names.into_iter();
    let mut tasks = JoinSet::new();
    let mut codes = Vec::new();
    loop {
        while tasks.len() < AT_ONCE && !interrupt.is_interrupted() {
            let Some(name) = waiting.next() else { break };
            let (kind, screen) = (context.kind(), context.screen.clone());
            let removal = remove(name.clone(), screen.work((!is_one).then_some(name.as_str())));
            tasks.spawn(async move {
                let outcome = removal.await;
                tell(kind, &screen, &name, outcome)
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

/// Tells what became of each, and ends with the code for all.
pub fn tell_all(context: &Context, outcomes: Vec<(Name, Result<Removed, Failure>)>) -> ExitCode {
    let tell = |(name, outcome)| tell(context.kind(), &context.screen, &name, outcome);
    overall(&outcomes.into_iter().map(tell).collect::<Vec<_>>()).into()
}

/// Tells what became of one, and the code for it.
fn tell(kind: Kind, screen: &Screen, name: &Name, outcome: Result<Removed, Failure>) -> Code {
    let printed = outcome.and_then(|removed| match removed {
        Removed::Removed => {
            screen.above(|| stdout::print(&format!("destroyed {name}\n"))).map_err(Failure::from)
        }
        // Success, and yet a slip of the fingers should not pass for it.
        Removed::NotThere { near } => {
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            screen.note(&format!("there is no {} `{name}`{hint}", kind.as_str()));
            Ok(())
        }
    });
    match printed {
        Ok(()) => Code::Ok,
        Err(failure) => {
            screen.failure(&failure);
            failure.code()
        }
    }
}

/// One failure keeps its own code; several are just that.
fn overall(codes: &[Code]) -> Code {
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
        assert_eq!(described(Kind::Agent, &names(1)), "the agent a00");
        assert_eq!(described(Kind::Preview, &names(2)), "all 2 previews (a00, a01)");
        let many = "all 12 agents (a00, a01, a02, a03, a04, a05, a06, a07, a08, a09 and 2 more)";
        assert_eq!(described(Kind::Agent, &names(12)), many);
    }

    #[test]
    fn everything_is_not_removed_without_a_yes() {
        // Tests have no terminal, like a script.
        if ask::can_ask() {
            return;
        }
        let names = ["a", "b"].map(|name| name.parse().expect("a name")).into();
        let refusal = confirm_all(Kind::Agent, &names).expect_err("nobody to ask");
        insta::assert_snapshot!(refusal, @"error: `--all` would remove all 2 agents (a, b): add `--yes`, as there is no terminal to ask at");
    }
}
