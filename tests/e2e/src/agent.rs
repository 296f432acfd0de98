//! The program `agent`, and agents that end with the test.

use berth_testhost::{HostCommand, Output, TestHost};
use serde_json::Value;

use crate::destroyed::destroy_on_drop;

/// The program `agent` as root runs it on the host.
pub fn agent<'h>(host: &'h TestHost, words: &[&str]) -> HostCommand<'h> {
    host.command("agent").args(words)
}

/// The program `agent` as a user of the host runs it, through sudo.
pub fn agent_as<'h>(host: &'h TestHost, user: &str, words: &[&str]) -> HostCommand<'h> {
    host.command("sudo").args(["-n", "agent"]).args(words).as_user(user)
}

/// Runs a command on a terminal of its own; what comes from that is its stdout.
const ON_A_TERMINAL: &str = "
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
";

/// The program `agent` as a person at a terminal of this kind runs it.
pub fn agent_on_a_terminal<'h>(host: &'h TestHost, term: &str, words: &[&str]) -> HostCommand<'h> {
    host.command("python3").args(["-c", ON_A_TERMINAL, "agent"]).args(words).env("TERM", term)
}

/// What a command printed on stdout, as JSON.
///
/// # Panics
/// If it is none.
#[track_caller]
pub fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {output}"))
}

/// The state that `agent list` shows of an agent, `-` when it is not there.
///
/// # Panics
/// If the agents cannot be listed.
#[track_caller]
pub fn state_of(host: &TestHost, name: &str) -> String {
    let all = json(&agent(host, &["list", "--json"]).ok());
    let one = all.as_array().expect("a list").iter().find(|one| one["name"] == *name);
    one.map_or_else(|| "-".to_owned(), |one| text_of(one, "state"))
}

/// An agent of one test. It is destroyed with the value, also when the test
/// fails.
#[derive(Debug)]
pub struct Agent {
    host: TestHost,
    name: String,
    is_kept: bool,
}

impl Agent {
    /// Creates an agent with the defaults of the configuration.
    ///
    /// # Panics
    /// If it cannot be created.
    #[track_caller]
    pub fn create(host: &TestHost, name: &str) -> Self {
        Self::create_with(host, name, &[])
    }

    /// Creates an agent with these options.
    ///
    /// # Panics
    /// If it cannot be created.
    #[track_caller]
    pub fn create_with(host: &TestHost, name: &str, options: &[&str]) -> Self {
        let this = Self::named(host, name);
        agent(host, &["create", name]).args(options).ok();
        this
    }

    /// Whatever agent has this name now or later in the test. One that a killed
    /// run left is removed first.
    ///
    /// # Panics
    /// If that one cannot be removed.
    #[track_caller]
    pub fn named(host: &TestHost, name: &str) -> Self {
        agent(host, &["destroy", name]).ok();
        Self::attach(host, name)
    }

    /// The agent of this name that is there already.
    pub fn attach(host: &TestHost, name: &str) -> Self {
        Self { host: host.clone(), name: name.to_owned(), is_kept: false }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `agent COMMAND NAME`.
    pub fn command(&self, command: &str) -> HostCommand<'_> {
        agent(&self.host, &[command, &self.name])
    }

    /// A line of shell inside, over ssh, as the user `agent`.
    pub fn ssh(&self, line: &str) -> HostCommand<'_> {
        self.command("ssh").args(["--", line])
    }

    /// A line of shell inside, without ssh, as the user `agent`.
    pub fn run(&self, line: &str) -> HostCommand<'_> {
        self.command("run").args(["--", "sh", "-c", line])
    }

    /// A line of shell inside, without ssh, as the root of the container.
    pub fn run_as_root(&self, line: &str) -> HostCommand<'_> {
        self.command("run").args(["--root", "--", "sh", "-c", line])
    }

    /// What `agent info --json` says of it.
    ///
    /// # Panics
    /// If it says nothing that is JSON.
    #[track_caller]
    pub fn info(&self) -> Value {
        json(&self.command("info").arg("--json").ok())
    }

    /// What `agent list --json` says of it; nothing when it is not there.
    ///
    /// # Panics
    /// If the agents cannot be listed.
    #[track_caller]
    pub fn listed(&self) -> Option<Value> {
        let all = json(&agent(&self.host, &["list", "--json"]).ok());
        all.as_array().expect("a list").iter().find(|one| one["name"] == *self.name).cloned()
    }

    /// The state that `agent list` shows, `-` when it is not there.
    ///
    /// # Panics
    /// If the agents cannot be listed.
    #[track_caller]
    pub fn state(&self) -> String {
        state_of(&self.host, &self.name)
    }

    /// Its container on the host, such as `a12`.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn container(&self) -> String {
        self.field("container")
    }

    /// Its address.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn address(&self) -> String {
        self.field("address")
    }

    /// The store path of the system it boots.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn closure(&self) -> String {
        self.field("closure")
    }

    /// Its unit on the host.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn unit(&self) -> String {
        format!("container@{}.service", self.container())
    }

    /// Its root on the host.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn root(&self) -> String {
        format!("/var/lib/nixos-containers/{}", self.container())
    }

    /// Destroys it now.
    ///
    /// # Panics
    /// If it cannot be destroyed.
    #[track_caller]
    pub fn destroy(mut self) -> Output {
        self.is_kept = true;
        self.command("destroy").ok()
    }

    /// Leaves it to the test to destroy it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }

    #[track_caller]
    fn field(&self, key: &str) -> String {
        let one = self.listed().unwrap_or_else(|| panic!("there is no agent `{}`", self.name));
        text_of(&one, key)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.is_kept || !self.host.is_up() {
            return;
        }
        destroy_on_drop(&self.command("destroy"));
    }
}

#[track_caller]
fn text_of(one: &Value, key: &str) -> String {
    one[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {one}")).to_owned()
}
