//! What needs an agent that runs.

use berth_core::{Name, Shown};
use berth_host::Host;
use berth_host::agents::{self, AgentError};
use berth_host::state::BerthRecord;
use berth_term::{Code, Failure};

/// The record of an agent, and what it is in.
///
/// A container that systemd-machined knows runs, which costs no process to
/// see; only of another one systemd is asked.
pub(super) async fn look(host: &Host, name: &Name) -> Result<(BerthRecord, Shown), Failure> {
    let record = agents::find(host, name).await?;
    if host.layout.machines_dir().join(record.container.to_string()).exists() {
        return Ok((record, Shown::Running));
    }
    let agents = agents::list(host).await?;
    let agent = agents.into_iter().find(|agent| agent.name == *name);
    let agent = agent.ok_or_else(|| AgentError::NotFound { name: name.clone(), near: None })?;
    Ok((record, agent.state))
}

/// The record of an agent that runs, or the error that it does not.
pub(super) async fn running(host: &Host, program: &str, name: &Name) -> Result<BerthRecord, Failure> {
    match look(host, name).await? {
        (record, Shown::Running | Shown::Degraded) => Ok(record),
        (_, state) => Err(not_running(program, name, state)),
    }
}

/// What to say about an agent that is in this state and should run.
pub(super) fn not_running(program: &str, name: &Name, state: Shown) -> Failure {
    let told = match state {
        Shown::Running | Shown::Degraded => "runs by now; try again".to_owned(),
        Shown::Creating | Shown::Starting => format!("is {state}; wait until it runs"),
        Shown::Stopping | Shown::Stopped => format!("is {state}; start it with `{program} start {name}`"),
        Shown::Failed => format!("has failed; see `{program} logs {name}`, then `{program} start {name}`"),
        Shown::Missing => format!("has lost its container; remove the rest with `{program} destroy {name}`"),
        Shown::Destroying => "is being removed".to_owned(),
    };
    Failure::new(Code::Failed, format!("the agent `{name}` {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_does_not_run_is_told_with_the_way_out() {
        let name: Name = "fix-login".parse().expect("a name");
        let states = [
            Shown::Creating,
            Shown::Starting,
            Shown::Stopping,
            Shown::Stopped,
            Shown::Failed,
            Shown::Missing,
            Shown::Destroying,
        ];
        let told: String =
            states.iter().map(|state| not_running("agent", &name, *state).to_string()).collect();
        insta::assert_snapshot!(told, @"
        error: the agent `fix-login` is creating; wait until it runs
        error: the agent `fix-login` is starting; wait until it runs
        error: the agent `fix-login` is stopping; start it with `agent start fix-login`
        error: the agent `fix-login` is stopped; start it with `agent start fix-login`
        error: the agent `fix-login` has failed; see `agent logs fix-login`, then `agent start fix-login`
        error: the agent `fix-login` has lost its container; remove the rest with `agent destroy fix-login`
        error: the agent `fix-login` is being removed
        ");
    }
}
