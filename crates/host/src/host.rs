//! A host with everything that operations need of it.

use std::path::PathBuf;
use std::time::Duration;

use berth_core::{Config, Layout, Name};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::caddy::{Caddy, CaddyCli};
use crate::containers::{Containers, ContainersError, NixosContainers};
use crate::github::OnDemand;
use crate::guests::{Guests, SystemdGuests};
use crate::lock::Locks;
use crate::login::{Logins, SshLogins};
use crate::network::{HostNetwork, Network};
use crate::nftables::{Firewall, NftCli};
use crate::nix::{Nix, NixCli};
use crate::postgres::{Postgres, PostgresAdmin};
use crate::repos::{GitRepos, Repos};
use crate::state::{NewEvent, State, StateError};
use crate::systemd::{Systemd, SystemdUnits};

/// The host as operations see it: where things lie, what is configured, what
/// is recorded, and the tools. A CLI, a daemon and a test build the same thing.
pub struct Host {
    /// Where things lie.
    pub layout: Layout,
    /// What the operator configured.
    pub config: Config,
    /// The records.
    pub state: State,
    /// The locks of berths under change.
    pub locks: Locks,
    /// The system's tools.
    pub tools: Tools,
    /// Reads the clock.
    pub now: fn() -> Timestamp,
}

/// The system's tools, real or fake.
pub struct Tools {
    /// nixos-container.
    pub containers: Box<dyn Containers>,
    /// The host's systemd.
    pub systemd: Box<dyn Systemd>,
    /// The systems inside.
    pub guests: Box<dyn Guests>,
    /// ssh.
    pub logins: Box<dyn Logins>,
    /// Nix.
    pub nix: Box<dyn Nix>,
    /// nftables.
    pub firewall: Box<dyn Firewall>,
    /// Git.
    pub repos: Box<dyn Repos>,
    /// PostgreSQL.
    pub postgres: Box<dyn Postgres>,
    /// Caddy.
    pub caddy: Box<dyn Caddy>,
    /// The network between host and containers.
    pub network: Box<dyn Network>,
    /// GitHub.
    pub github: OnDemand,
}

impl Tools {
    /// The real ones.
    pub fn real(layout: &Layout, config: &Config) -> Self {
        let preview = config.preview.as_ref();
        let caddy = preview.map(|preview| preview.caddy.clone()).unwrap_or_default();
        let postgres = preview.map(|preview| preview.postgres.clone()).unwrap_or_default();
        Self {
            containers: Box::new(NixosContainers::new(layout)),
            systemd: Box::new(SystemdUnits::new(layout)),
            guests: Box::new(SystemdGuests),
            logins: Box::new(SshLogins::new(layout)),
            nix: Box::new(NixCli),
            firewall: Box::new(NftCli),
            repos: Box::new(GitRepos::new(layout)),
            postgres: Box::new(PostgresAdmin::new(postgres.socket, postgres.role)),
            caddy: Box::new(CaddyCli::new(caddy.config, caddy.admin)),
            network: Box::new(HostNetwork),
            github: OnDemand::new(config.github.as_ref()),
        }
    }
}

impl Host {
    /// The real host: opens the state database and makes it if need be.
    ///
    /// Where it would have to be made although there are containers, or
    /// databases of previews, it was lost or its file system is not mounted. An
    /// empty one in its place would let reconcile remove them all, so that takes
    /// a word of a person.
    pub async fn open(layout: Layout, config: Config, lost: LostRecords) -> Result<Self, OpenError> {
        let tools = Tools::real(&layout, &config);
        if lost == LostRecords::Refuse && !layout.database().exists() {
            let found = left_of_records(&tools, &config).await?;
            if !found.is_empty() {
                return Err(OpenError::Lost { database: layout.database(), found });
            }
        }
        let state = State::open(&layout).await?;
        let locks = Locks::new(&layout);
        Ok(Self { layout, config, state, locks, tools, now: Timestamp::now })
    }
}

/// What only records can have made: containers and databases. A PostgreSQL that
/// does not answer is taken for one without: a new host may have none yet.
pub(crate) async fn left_of_records(tools: &Tools, config: &Config) -> Result<Vec<String>, OpenError> {
    let mut found: Vec<String> = tools.containers.list()?.iter().map(ToString::to_string).collect();
    if config.preview.is_some() {
        let databases = tools.postgres.list().await.unwrap_or_default();
        found.extend(databases.iter().map(|id| id.database()));
    }
    Ok(found)
}

impl Host {
    /// Writes an event. What it tells has happened, so that it cannot be written
    /// is only logged.
    pub(crate) async fn note(&self, event: NewEvent) {
        let (action, name) = (event.action.clone(), event.name.clone());
        if let Err(error) = self.state.add_event(event).await {
            let name = name.as_ref().map(Name::as_str);
            tracing::error!(action, name, %error, "the event could not be recorded");
        }
    }
}

/// What to do where there are containers or databases and no records of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostRecords {
    /// Do nothing at all.
    Refuse,
    /// Begin with empty records: what there is belongs to nobody any more.
    GiveUp,
}

/// Why a host cannot be worked on.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The containers could not be listed.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// There are containers or databases and no records of them.
    #[error(
        "the records are lost: `{}` does not exist, and the host has {}; mount or restore it, \
         or remove all of that with `agent doctor --fix --give-up`",
        database.display(),
        found.join(", ")
    )]
    Lost {
        /// Where they should be.
        database: PathBuf,
        /// The containers and databases.
        found: Vec<String>,
    },
}

/// A configured duration as the standard library has it. The configuration
/// lets only positive ones through.
pub(crate) fn duration(configured: SignedDuration) -> Duration {
    Duration::try_from(configured).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn open(layout: &Layout, lost: LostRecords) -> Result<Host, OpenError> {
        Host::open(layout.clone(), Config::parse("").expect("the defaults"), lost).await
    }

    #[tokio::test]
    async fn lost_records_are_told_and_given_up_only_when_somebody_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        open(&layout, LostRecords::Refuse).await.expect("a new host").state.close().await;
        fs::create_dir_all(layout.container_root("a7".parse().expect("a container"))).expect("made");
        open(&layout, LostRecords::Refuse).await.expect("its records are there").state.close().await;

        // As with the mount point of a file system that is not mounted.
        fs::remove_dir_all(layout.state_dir()).expect("lost");
        fs::create_dir_all(layout.state_dir()).expect("empty");
        let Err(error) = open(&layout, LostRecords::Refuse).await else { panic!("they are lost") };
        assert_eq!(
            error.to_string(),
            format!(
                "the records are lost: `{}` does not exist, and the host has a7; mount or restore it, \
                 or remove all of that with `agent doctor --fix --give-up`",
                layout.database().display()
            )
        );
        assert!(!layout.database().exists(), "nothing was made in its place");
        open(&layout, LostRecords::GiveUp).await.expect("given up").state.close().await;
    }
}
