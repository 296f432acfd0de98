//! How an agent is entered, as lines to copy.

use std::fmt;
use std::net::Ipv4Addr;

use berth_core::guest::AGENT_USER;
use berth_core::{Config, Name};
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
    /// Options and address behind the jump.
    #[serde(skip)]
    target: String,
}

impl SshLines {
    /// Those of an agent, if it has an address.
    pub(super) fn of(program: &str, config: &Config, agent: &AgentView) -> Option<Self> {
        let address = agent.address?;
        Some(Self::new(program, config, &agent.name, address, agent.host_key.as_deref()))
    }

    pub(super) fn new(
        program: &str,
        config: &Config,
        name: &Name,
        address: Ipv4Addr,
        host_key: Option<&str>,
    ) -> Self {
        let target = match host_key.map(|key| alias(name, key)) {
            Some(alias) => format!("-o HostKeyAlias={alias} {AGENT_USER}@{address}"),
            None => format!("{AGENT_USER}@{address}"),
        };
        let outside = config.public_host.as_ref().map(|host| through(host, &target));
        Self { local: format!("{program} ssh {name}"), outside, target }
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
                through("HOST", &self.target)
            ),
        }
    }
}

fn through(host: &str, target: &str) -> String {
    format!("ssh -J {host} {target}")
}

/// The name under which ssh remembers the host key. Addresses and names are
/// used again by other agents; without it ssh would take their new key for an
/// attack.
fn alias(name: &Name, host_key: &str) -> String {
    let letters = host_key.bytes().rev().filter(u8::is_ascii_alphanumeric).take(8);
    let end: String = letters.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    format!("{name}-{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(program: &str, config: &str) -> String {
        let config = Config::parse(config).expect("a configuration");
        let name: Name = "fix-login".parse().expect("a name");
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHXgbc9EjocMLqDJ/n5+";
        SshLines::new(program, &config, &name, Ipv4Addr::new(10, 100, 0, 3), Some(key)).to_string()
    }

    #[test]
    fn both_ways_in_are_told() {
        insta::assert_snapshot!(lines("agent", "public_host = \"ada@berth.example.com\""), @"
        on this host:  agent ssh fix-login
        from outside:  ssh -J ada@berth.example.com -o HostKeyAlias=fix-login-5njdqlmc agent@10.100.0.3
        ");
    }

    #[test]
    fn an_unknown_public_host_is_a_placeholder_with_the_way_out() {
        insta::assert_snapshot!(lines("sudo agent", ""), @"
        on this host:  sudo agent ssh fix-login
        from outside:  ssh -J HOST -o HostKeyAlias=fix-login-5njdqlmc agent@10.100.0.3  (HOST: this host as you reach it; configure `public_host`)
        ");
    }
}
