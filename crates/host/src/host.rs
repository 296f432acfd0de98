//! A host with everything that operations need of it.

use std::time::Duration;

use berth_core::{Config, Layout};
use jiff::{SignedDuration, Timestamp};

use crate::containers::{Containers, NixosContainers};
use crate::guests::{Guests, SystemdGuests};
use crate::lock::Locks;
use crate::login::{Logins, SshLogins};
use crate::nftables::{Firewall, NftCli};
use crate::nix::{Nix, NixCli};
use crate::state::{State, StateError};
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
}

impl Tools {
    /// The real ones.
    pub fn real(layout: &Layout) -> Self {
        Self {
            containers: Box::new(NixosContainers::new(layout)),
            systemd: Box::new(SystemdUnits::new(layout)),
            guests: Box::new(SystemdGuests),
            logins: Box::new(SshLogins::new(layout)),
            nix: Box::new(NixCli),
            firewall: Box::new(NftCli),
        }
    }
}

impl Host {
    /// The real host: opens the state database and makes it if need be.
    pub async fn open(layout: Layout, config: Config) -> Result<Self, StateError> {
        let state = State::open(&layout).await?;
        let locks = Locks::new(&layout);
        let tools = Tools::real(&layout);
        Ok(Self { layout, config, state, locks, tools, now: Timestamp::now })
    }
}

/// A configured duration as the standard library has it. The configuration
/// lets only positive ones through.
pub(crate) fn duration(configured: SignedDuration) -> Duration {
    Duration::try_from(configured).unwrap_or_default()
}
