//! How an agent is entered, as lines to copy.

use std::fmt;
use std::net::Ipv4Addr;

use berth_core::guest::AGENT_USER;
use berth_core::{AgentName, Config};
use berth_host::agents::AgentView;
use serde::Serialize;

/// An agent with the ways in: what every command tells of one with `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    agent: AgentView,
    ssh: Option<SshLines>,
}

impl Told {
    pub(super) fn new(program: &str, config: &Config, agent: AgentView) -> Self {
        Self { ssh: SshLines::of(program, config, &agent), agent }
    }
}

/// The ways in.
#[derive(Debug, Serialize)]
pub(super) struct SshLines {
    /// On this host.
    local: String,
    /// From elsewhere, with one's own key; not known while `public_host` is
    /// not configured.
    outside: Option<String>,
    #[serde(skip)]
    address: Ipv4Addr,
}

impl SshLines {
    /// Those of an agent, if it has an address.
    pub(super) fn of(program: &str, config: &Config, agent: &AgentView) -> Option<Self> {
        agent.address.map(|address| Self::new(program, config, &agent.name, address))
    }

    pub(super) fn new(program: &str, config: &Config, name: &AgentName, address: Ipv4Addr) -> Self {
        let outside = config.public_host.as_ref().map(|host| through(host, address));
        Self { local: format!("{program} ssh {name}"), outside, address }
    }
}

impl fmt::Display for SshLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "on this host:  {}", self.local)?;
        match &self.outside {
            Some(line) => writeln!(f, "from outside:  {line}"),
            None => writeln!(
                f,
                "from outside:  {}  (HOST: this host as you reach it; configure `public_host`)",
                through("HOST", self.address)
            ),
        }
    }
}

fn through(host: &str, address: Ipv4Addr) -> String {
    format!("ssh -J {host} {AGENT_USER}@{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(program: &str, config: &str) -> String {
        let config = Config::parse(config).expect("a configuration");
        let name = "fix-login".parse().expect("a name");
        SshLines::new(program, &config, &name, Ipv4Addr::new(10, 100, 0, 3)).to_string()
    }

    #[test]
    fn both_ways_in_are_told() {
        insta::assert_snapshot!(lines("agent", "public_host = \"ada@berth.example.com\""), @"
        on this host:  agent ssh fix-login
        from outside:  ssh -J ada@berth.example.com agent@10.100.0.3
        ");
    }

    #[test]
    fn an_unknown_public_host_is_a_placeholder_with_the_way_out() {
        insta::assert_snapshot!(lines("sudo agent", ""), @"
        on this host:  sudo agent ssh fix-login
        from outside:  ssh -J HOST agent@10.100.0.3  (HOST: this host as you reach it; configure `public_host`)
        ");
    }
}
