//! `agent info`.

use std::process::ExitCode;

use berth_core::{Config, Health, Name};
use berth_host::agents::{self, AgentView};
use berth_term::{Code, Context, Failure, Table, stdout, times};
use jiff::Timestamp;

use super::ssh_lines::{SshLines, Told};

const EXAMPLES: &str = "\
Examples:
  agent info fix-login
  agent info fix-login --json | jq -r .address";

/// Tell all that is known about an agent
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The agent
    name: Name,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let agent = agents::view(&host, &args.name).await?;
    if args.json {
        stdout::print_json(&Told::new(context.program(), &host.config, agent))?;
    } else {
        stdout::print(&text(&agent, &host.config, context.program(), (host.now)()))?;
    }
    Ok(Code::Ok.into())
}

fn text(agent: &AgentView, config: &Config, program: &str, now: Timestamp) -> String {
    let mut table = Table::headless();
    let mut row = |key: &str, value: String| table.row([key.to_owned(), value]);
    row("name", agent.name.to_string());
    row("state", agent.state.to_string());
    if let Some(reason) = &agent.reason {
        row("reason", reason.clone());
    }
    if let Some(address) = agent.address {
        row("address", address.to_string());
    }
    row("container", format!("{}, unit {}", agent.container, agent.container.unit()));
    let age = times::age(now, agent.created_at);
    row("created", format!("{} ({age} ago) by {}", times::moment(agent.created_at), agent.created_by));
    row("expires", expiry(agent.expires_at, now));
    row("closure", agent.closure.to_string());
    let limits = &agent.limits;
    row("limits", format!("{} of memory, {} CPUs, {} tasks", limits.memory, limits.cpus, limits.tasks));
    if let Some(gpu) = &agent.gpu {
        row("gpu", gpu.to_string());
    }
    row("health", health(agent));
    if let Some(key) = &agent.host_key {
        row("host key", key.clone());
    }
    match SshLines::of(program, config, agent) {
        Some(ssh) => format!("{table}\n{ssh}"),
        None => table.to_string(),
    }
}

fn expiry(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        None => "never".to_owned(),
        Some(at) => format!("{} ({})", times::moment(at), times::left(now, Some(at))),
    }
}

fn health(agent: &AgentView) -> String {
    match agent.health {
        Health::Unknown => "unknown".to_owned(),
        Health::Good => "good".to_owned(),
        Health::Degraded => format!("degraded: {} failed", agent.failed_units.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::{agent, now};
    use super::*;

    #[test]
    fn all_that_is_known_is_told() {
        let config = Config::parse("public_host = \"berth.example.com\"").expect("a configuration");
        insta::assert_snapshot!(text(&agent("fix-login"), &config, "agent", now()), @"
        name       fix-login
        state      degraded
        address    10.100.0.3
        container  a1, unit container@a1.service
        created    2026-11-20 16:38:00 UTC (3h 2m ago) by ada
        expires    2026-11-21 00:38:00 UTC (in 4h 58m)
        closure    /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
        limits     4G of memory, 2 CPUs, 4096 tasks
        gpu        /dev/nvidia0, /dev/nvidiactl with /run/opengl-driver
        health     degraded: web.service, worker.service failed
        host key   ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc

        on this host:  agent ssh fix-login
        from outside:  ssh -J berth.example.com -o HostKeyAlias=fix-login-cbaiaaaa agent@10.100.0.3
        ");
    }

    #[test]
    fn a_failed_agent_tells_why() {
        let failed = AgentView {
            state: berth_core::Shown::Failed,
            health: Health::Unknown,
            reason: Some("could not start a1: berth-guard refused it".to_owned()),
            host_key: None,
            address: None,
            expires_at: None,
            gpu: None,
            ..agent("x")
        };
        insta::assert_snapshot!(text(&failed, &Config::parse("").expect("defaults"), "agent", now()), @"
        name       x
        state      failed
        reason     could not start a1: berth-guard refused it
        container  a1, unit container@a1.service
        created    2026-11-20 16:38:00 UTC (3h 2m ago) by ada
        expires    never
        closure    /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
        limits     4G of memory, 2 CPUs, 4096 tasks
        health     unknown
        ");
    }
}
