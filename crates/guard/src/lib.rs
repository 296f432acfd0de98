//! The guard: looks at a container before every start.
//!
//! `container@NAME.service` runs a script and then systemd-nspawn as *host
//! root* on a folder in which container root may have planted anything, also
//! at automatic restarts and at reboots from inside, when no program of Berth
//! is asked. With `/root` or `/etc` in it a symlink, the script changed the
//! mode of host folders and wrote files into them. So the guard is the first
//! `ExecStartPre`, and refuses a start unless
//!
//! - every path that host root will touch is what it must be ([`paths`]),
//! - the configuration file shuts the container in ([`conf`]),
//! - the firewall is loaded and pins the container's address ([`firewall`]).
//!
//! It only looks, follows no symlink, and reports all that is wrong at once.
//! Nothing runs in the container at that moment (systemd starts a unit only
//! when its control group is empty), so what was seen stays true until the
//! script runs.

pub mod conf;
pub mod firewall;
mod nft;
pub mod paths;

use berth_core::{ContainerName, Layout};
use thiserror::Error;

pub use nft::{NftError, list_table};

/// A reason not to start.
#[derive(Debug, Error)]
pub enum Refusal {
    /// About the container's root.
    #[error(transparent)]
    Path(#[from] paths::PathRefusal),
    /// About the configuration file.
    #[error(transparent)]
    Conf(#[from] conf::ConfRefusal),
    /// About the firewall.
    #[error(transparent)]
    Firewall(#[from] firewall::FirewallRefusal),
    /// The firewall could not be asked.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// All reasons not to start the container; none means that it may start.
///
/// `list_table` gives the table `inet berth` as nft prints it in JSON; it is
/// asked at most once.
pub fn refusals(
    layout: &Layout,
    name: ContainerName,
    list_table: impl FnOnce() -> Result<Vec<u8>, NftError>,
) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = paths::check(layout, name).into_iter().map(Refusal::from).collect();
    match conf::check(layout, name) {
        Err(refusal) => refusals.push(refusal.into()),
        Ok(pin) => match list_table() {
            Err(error) => refusals.push(error.into()),
            Ok(json) => refusals.extend(firewall::check(&json, pin).into_iter().map(Refusal::from)),
        },
    }
    refusals
}
