//! The table `inet berth`, through `nft`.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod listing;
mod real;

use std::collections::BTreeSet;

use async_trait::async_trait;
use berth_core::Subnet;
use berth_core::firewall::{Pin, Pins};
use thiserror::Error;

use crate::exec::ExecError;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeFirewall;
pub use self::real::NftCli;

/// Berth's part of the host's firewall.
#[async_trait]
pub trait Firewall: Send + Sync {
    /// Whether the table is loaded whole, in this version, for this subnet, and
    /// its sets hold nothing but containers of Berth: what else somebody pinned
    /// may send from inside the subnet, and goes with a [`load`](Self::load).
    async fn is_current(&self, subnet: Subnet) -> Result<bool, FirewallError>;

    /// Puts the whole table in force in one transaction, with exactly these
    /// pins.
    async fn load(&self, subnet: Subnet, pins: &Pins) -> Result<(), FirewallError>;

    /// Adds a pin. There already is success.
    async fn pin(&self, pin: Pin) -> Result<(), FirewallError>;

    /// Removes a pin, and with it the right to reach the databases. Not there,
    /// or no table, is success.
    async fn unpin(&self, pin: Pin) -> Result<(), FirewallError>;

    /// The pins of containers in force; none when the table is not loaded.
    async fn pins(&self) -> Result<BTreeSet<Pin>, FirewallError>;

    /// Lets a container reach the host's databases. So already is success.
    /// Without its pin it reaches nothing yet.
    async fn open_database(&self, pin: Pin) -> Result<(), FirewallError>;

    /// Ends that, for connections under way as well. Not so, or no table, is
    /// success.
    async fn close_database(&self, pin: Pin) -> Result<(), FirewallError>;

    /// Who may reach the databases now; nobody when the table is not loaded.
    async fn database_pins(&self) -> Result<BTreeSet<Pin>, FirewallError>;
}

/// What nft could not do.
#[derive(Debug, Error)]
pub enum FirewallError {
    /// The table could not be looked at.
    #[error(transparent)]
    Look(ExecError),
    /// The table could not be loaded.
    #[error(transparent)]
    Load(ExecError),
    /// A pin could not be added.
    #[error(transparent)]
    Pin(ExecError),
    /// Something was to be added to a table that is not there.
    #[error("the table `inet berth` is not loaded; load it with `agent doctor --fix`")]
    NotLoaded,
    /// A pin could not be removed.
    #[error(transparent)]
    Unpin(ExecError),
    /// The databases could not be opened.
    #[error(transparent)]
    OpenDatabase(ExecError),
    /// The databases could not be closed.
    #[error(transparent)]
    CloseDatabase(ExecError),
    /// nft printed what it never printed before.
    #[error("nft listed the table `inet berth` in a form that Berth does not know")]
    Form(#[source] serde_json::Error),
}
