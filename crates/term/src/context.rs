//! What every command is given.

use std::path::PathBuf;

use berth_core::{Config, Kind, Layout};
use berth_host::agents::Actor;
use berth_host::{Host, LostRecords};

use crate::{Caller, Failure, Screen, config_file};

/// Who called what on which host. Nothing is opened before a command asks for
/// it: some need neither root nor a configuration.
pub struct Context {
    /// Who called.
    pub caller: Caller,
    /// What people see.
    pub screen: Screen,
    /// Where things lie.
    pub layout: Layout,
    config: Option<PathBuf>,
    command: &'static str,
    command_line: fn() -> clap::Command,
}

impl Context {
    pub(crate) fn new(
        caller: Caller,
        screen: Screen,
        layout: Layout,
        config: Option<PathBuf>,
        command: &'static str,
        command_line: fn() -> clap::Command,
    ) -> Self {
        Self { caller, screen, layout, config, command, command_line }
    }

    /// What the program is for.
    pub fn kind(&self) -> Kind {
        self.caller.program()
    }

    /// The definition of the program's command line.
    pub fn command_line(&self) -> clap::Command {
        (self.command_line)()
    }

    /// Refuses when we do not run as root.
    pub fn need_root(&self) -> Result<(), Failure> {
        Ok(self.caller.need_root(&format!("{} {}", self.kind().as_str(), self.command))?)
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(config_file::load(&self.layout, self.config.as_deref())?)
    }

    /// The file that was named on the command line.
    pub fn config_path(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// The host, for root, with its configuration and its records.
    pub async fn host(&self) -> Result<Host, Failure> {
        self.need_root()?;
        Ok(Host::open(self.layout.clone(), self.config()?, LostRecords::Refuse).await?)
    }

    /// Who is written into the events.
    pub fn actor(&self) -> Actor {
        self.caller.actor()
    }

    /// How this caller calls the program.
    pub fn program(&self) -> &'static str {
        match (self.kind(), self.caller.is_delegated()) {
            (Kind::Agent, false) => "agent",
            (Kind::Agent, true) => "sudo agent",
            (Kind::Preview, false) => "preview",
            (Kind::Preview, true) => "sudo preview",
        }
    }
}
