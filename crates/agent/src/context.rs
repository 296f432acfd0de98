//! What every command is given.

use std::path::PathBuf;

use berth_core::{Config, Layout};
use berth_host::agents::Actor;
use berth_host::{Host, LostRecords};
use berth_term::{Caller, Failure, Screen, config_file};

/// Who called what on which host. Nothing is opened before a command asks for
/// it: some need neither root nor a configuration.
pub(crate) struct Context {
    /// Who called.
    pub(crate) caller: Caller,
    /// What people see.
    pub(crate) screen: Screen,
    /// Where things lie.
    pub(crate) layout: Layout,
    config: Option<PathBuf>,
    command: &'static str,
}

impl Context {
    pub(crate) fn new(
        caller: Caller,
        screen: Screen,
        layout: Layout,
        config: Option<PathBuf>,
        command: &'static str,
    ) -> Self {
        Self { caller, screen, layout, config, command }
    }

    /// Refuses when we do not run as root.
    pub(crate) fn need_root(&self) -> Result<(), Failure> {
        Ok(self.caller.need_root(&format!("agent {}", self.command))?)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Ok(config_file::load(&self.layout, self.config.as_deref())?)
    }

    /// The file that was named on the command line.
    pub(crate) fn config_path(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    /// The host, for root, with its configuration and its records.
    pub(crate) async fn host(&self) -> Result<Host, Failure> {
        self.need_root()?;
        Ok(Host::open(self.layout.clone(), self.config()?, LostRecords::Refuse).await?)
    }

    /// Who is written into the events.
    pub(crate) fn actor(&self) -> Actor {
        self.caller.actor()
    }

    /// How this caller calls the program.
    pub(crate) fn program(&self) -> &'static str {
        if self.caller.is_delegated() { "sudo agent" } else { "agent" }
    }
}
