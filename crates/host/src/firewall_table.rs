//! Keeping the table `inet berth` in force with exactly the recorded pins.

use std::time::Duration;

use berth_core::firewall::{Pin, Pins};
use berth_core::{Config, ContainerName, Layout, Phase};
use thiserror::Error;

use crate::host::{Host, Tools};
use crate::lock::{LockError, LockName, Locks};
use crate::nftables::FirewallError;
use crate::state::{BerthRecord, StateError};

/// The lock that keeps a load of the whole table and a single pin apart: a
/// table loaded from an older list of records would lose the newer pin.
const LOCK: LockName = LockName::Firewall;
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the firewall could not be put in force.
#[derive(Debug, Error)]
pub enum TableError {
    /// nft.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// Another process is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Adds a pin, and loads the table first when it is not there or not current.
/// The pin's record must exist already.
pub(crate) async fn pin(host: &Host, pin: Pin) -> Result<(), TableError> {
    let firewall = &host.tools.firewall;
    let _lock = host.locks.lock(LOCK, "pin a berth", PATIENCE).await?;
    if firewall.is_current(host.config.subnet).await? {
        firewall.pin(pin).await?;
    } else {
        load_locked(host).await?;
    }
    Ok(())
}

/// Lets a container reach the databases, and loads the table first when it is
/// not there or not current. The record must say so already.
pub async fn open_database(host: &Host, pin: Pin) -> Result<(), TableError> {
    let firewall = &host.tools.firewall;
    let _lock = host.locks.lock(LOCK, "open the databases for a berth", PATIENCE).await?;
    if firewall.is_current(host.config.subnet).await? {
        firewall.open_database(pin).await?;
    } else {
        load_locked(host).await?;
    }
    Ok(())
}

/// Ends that. The record must not say otherwise any more, or the next load
/// brings it back.
pub async fn close_database(host: &Host, pin: Pin) -> Result<(), TableError> {
    let _lock = host.locks.lock(LOCK, "close the databases for a berth", PATIENCE).await?;
    Ok(host.tools.firewall.close_database(pin).await?)
}

/// Removes a pin, and with it the right to reach the databases. Under the lock: a load that read the records before could
/// otherwise bring it back.
pub(crate) async fn unpin(host: &Host, pin: Pin) -> Result<(), TableError> {
    let _lock = host.locks.lock(LOCK, "unpin a berth", PATIENCE).await?;
    Ok(host.tools.firewall.unpin(pin).await?)
}

/// Loads the whole table from the records, in one transaction.
pub async fn load(host: &Host) -> Result<(), TableError> {
    let _lock = host.locks.lock(LOCK, "load the firewall", PATIENCE).await?;
    load_locked(host).await
}

/// Whether the table is current, holds every recorded pin, and opens the
/// databases to those berths that have the right and to no other. Pins without
/// a record are leftovers, and go with what else there is of their container.
pub(crate) async fn is_right(host: &Host) -> Result<bool, TableError> {
    let firewall = &host.tools.firewall;
    if !firewall.is_current(host.config.subnet).await? {
        return Ok(false);
    }
    let (pins, databases) = (firewall.pins().await?, firewall.database_pins().await?);
    let recorded = recorded_pins(host).await?;
    let is_open = |pin: &&Pin| databases.contains(pin);
    Ok(recorded.sources.is_subset(&pins) && recorded.sources.iter().filter(is_open).eq(&recorded.databases))
}

/// Sees to it that the table is in force where there is no state database, and
/// makes none: at boot this comes before PostgreSQL, which must be asked whether
/// it has databases of records that were lost ([`Host::open`]). Pins that are in
/// force stay. False where there are records.
pub async fn load_without_records(layout: &Layout, config: &Config) -> Result<bool, TableError> {
    let _lock = Locks::new(layout).lock(LOCK, "load the firewall", PATIENCE).await?;
    if layout.database().exists() {
        return Ok(false);
    }
    let firewall = Tools::real(layout, config).firewall;
    if !firewall.is_current(config.subnet).await? {
        firewall.load(config.subnet, &Pins::default()).await?;
    }
    Ok(true)
}

async fn load_locked(host: &Host) -> Result<(), TableError> {
    let pins = recorded_pins(host).await?;
    host.tools.firewall.load(host.config.subnet, &pins).await?;
    Ok(())
}

/// The pins that the records call for: one a berth, but for those that are
/// being removed. Theirs are taken away and must not come back, also where
/// something else of them stays.
pub async fn recorded_pins(host: &Host) -> Result<Pins, StateError> {
    let records = host.state.berths(None).await?;
    let mut pins = Pins::default();
    for record in records.iter().filter(|record| !matches!(record.phase, Phase::Destroying | Phase::Gone)) {
        let Some(pin) = pin_of(host, record) else { continue };
        pins.sources.insert(pin);
        if record.reaches_database {
            pins.databases.insert(pin);
        }
    }
    Ok(pins)
}

/// The pin of a container that is to be removed. Outside the configured subnet
/// nothing of it is pinned, and any address does.
pub(crate) fn pin_of_removed(host: &Host, container: ContainerName) -> Pin {
    let subnet = host.config.subnet;
    let addresses = subnet.addresses(container.slot());
    Pin { container, address: addresses.map_or(subnet.services_address(), |pair| pair.container) }
}

/// The pin of a berth; none when its slot lies outside the configured subnet,
/// which `agent doctor` reports.
pub(crate) fn pin_of(host: &Host, record: &BerthRecord) -> Option<Pin> {
    let addresses = host.config.subnet.addresses(record.container.slot())?;
    Some(Pin { container: record.container, address: addresses.container })
}
