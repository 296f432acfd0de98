//! `agent list`.

use std::process::ExitCode;

use berth_host::agents::{self, AgentView};
use berth_term::{Code, Context, Failure, Table, stdout, times};
use jiff::Timestamp;

use super::ssh_lines::Told;

const EXAMPLES: &str = "\
States:
  creating, starting, running, stopping, stopped, destroying
  degraded   it runs, and a unit inside has failed: see `agent info`
  failed     it could not be started: see `agent logs`
  missing    its container is gone: `agent destroy` removes the rest

Examples:
  agent list
  agent list --json | jq -r '.[] | select(.state == \"running\") | .name'";

/// List all agents
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print a JSON array with all that `agent info --json` tells of each
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let agents = agents::list(&host).await?;
    if args.json {
        let told = agents.into_iter().map(|agent| Told::new(context.program(), &host.config, agent));
        stdout::print_json(&told.collect::<Vec<_>>())?;
    } else if agents.is_empty() {
        context
            .screen
            .note(&format!("there are no agents; make one with `{} create NAME`", context.program()));
    } else {
        stdout::print(&table(&agents, (host.now)()).to_string())?;
    }
    Ok(Code::Ok.into())
}

fn table(agents: &[AgentView], now: Timestamp) -> Table {
    let mut table = Table::new(["NAME", "STATE", "ADDRESS", "AGE", "EXPIRES", "GPU", "CLOSURE"]);
    for agent in agents {
        table.row([
            agent.name.to_string(),
            agent.state.to_string(),
            agent.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            times::age(now, agent.created_at),
            times::left(now, agent.expires_at),
            if agent.gpu.is_some() { "yes" } else { "-" }.to_owned(),
            agent.closure.short().to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::command) fn now() -> Timestamp {
        "2026-11-20T19:40:00Z".parse().expect("a time")
    }

    /// An agent as its JSON, which is part of the interface.
    pub(in crate::command) fn agent(name: &str) -> AgentView {
        AgentView {
            name: name.parse().expect("a name"),
            state: berth_core::Shown::Degraded,
            container: "a1".parse().expect("a container"),
            address: Some([10, 100, 0, 3].into()),
            created_at: "2026-11-20T16:38:00Z".parse().expect("a time"),
            created_by: "ada".to_owned(),
            expires_at: Some("2026-11-21T00:38:00Z".parse().expect("a time")),
            closure: "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"
                .parse()
                .expect("a path"),
            limits: berth_core::Config::parse("").expect("the defaults").agent.limits,
            gpu: Some(berth_core::Gpu {
                devices: ["/dev/nvidia0", "/dev/nvidiactl"].map(|path| path.parse().expect("a node")).into(),
                driver: "/run/opengl-driver".parse().expect("a folder"),
            }),
            health: berth_core::Health::Degraded,
            failed_units: vec!["web.service".to_owned(), "worker.service".to_owned()],
            reason: None,
            host_key: Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc".to_owned()),
        }
    }

    #[test]
    fn the_table_is_this() {
        let for_ever = AgentView { expires_at: None, address: None, gpu: None, ..agent("x") };
        insta::assert_snapshot!(table(&[agent("fix-login"), for_ever], now()), @"
        NAME       STATE     ADDRESS     AGE    EXPIRES    GPU  CLOSURE
        fix-login  degraded  10.100.0.3  3h 2m  in 4h 58m  yes  0mq5szkz
        x          degraded  -           3h 2m  -          -    0mq5szkz
        ");
    }

    #[test]
    fn the_json_is_this() {
        let config =
            berth_core::Config::parse("public_host = \"berth.example.com\"").expect("a configuration");
        let told = Told::new("agent", &config, agent("fix-login"));
        insta::assert_snapshot!(serde_json::to_string_pretty(&[told]).expect("JSON"), @r#"
        [
          {
            "name": "fix-login",
            "state": "degraded",
            "container": "a1",
            "address": "10.100.0.3",
            "created_at": "2026-11-20T16:38:00Z",
            "created_by": "ada",
            "expires_at": "2026-11-21T00:38:00Z",
            "closure": "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent",
            "limits": {
              "memory": "4G",
              "cpus": "2",
              "tasks": "4096"
            },
            "gpu": {
              "devices": [
                "/dev/nvidia0",
                "/dev/nvidiactl"
              ],
              "driver": "/run/opengl-driver"
            },
            "health": "degraded",
            "failed_units": [
              "web.service",
              "worker.service"
            ],
            "reason": null,
            "host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc",
            "ssh": {
              "local": "agent ssh fix-login",
              "outside": "ssh -J berth.example.com -o HostKeyAlias=fix-login-cbaiaaaa agent@10.100.0.3"
            }
          }
        ]
        "#);
    }
}
