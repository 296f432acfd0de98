//! What the host has of Berth's, listed from the host itself.
//!
//! Names come from numbers, so whatever could exist can be listed without any
//! record. Records subtracted from this list are the leftovers, known kinds
//! and unknown ones alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use berth_core::firewall::Pin;
use berth_core::{ContainerName, UnitState};
use thiserror::Error;

use crate::containers::ContainersError;
use crate::forget::{self, ForgetError};
use crate::host::Host;
use crate::nftables::FirewallError;
use crate::systemd::SystemdError;

/// Something that could not be listed. It must never look like nothing.
#[derive(Debug, Error)]
pub enum InventoryError {
    /// A folder.
    #[error("the folder `{}` cannot be listed", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// nixos-container's files.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// systemd's units.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The firewall's pins.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// The journal's links.
    #[error(transparent)]
    Journal(#[from] ForgetError),
}

/// Everything of Berth's that the host has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Configuration files, roots and profiles.
    pub containers: BTreeSet<ContainerName>,
    /// Units that are not simply inactive.
    pub units: BTreeMap<ContainerName, UnitState>,
    /// Units with properties of their own on disk.
    pub limited: BTreeSet<ContainerName>,
    /// Network interfaces on the host's side.
    pub interfaces: BTreeSet<ContainerName>,
    /// Machines that systemd-machined has registered.
    pub machines: BTreeSet<ContainerName>,
    /// Pins in the firewall.
    pub pins: BTreeSet<Pin>,
    /// Pinned host keys for ssh.
    pub known_hosts: BTreeSet<ContainerName>,
    /// Sockets of logins that ssh sessions share.
    pub shared_logins: BTreeSet<ContainerName>,
    /// Links in the host's journal folder that lead into roots.
    pub journal_links: BTreeSet<ContainerName>,
    /// Folders of nspawn; one that was killed leaves its own.
    pub nspawn_folders: BTreeSet<ContainerName>,
    /// Garbage-collector roots, by file name.
    pub gc_roots: BTreeSet<String>,
}

impl Inventory {
    /// Looks at the whole host.
    pub async fn of(host: &Host) -> Result<Self, InventoryError> {
        let layout = &host.layout;
        let tools = &host.tools;
        let mut units = tools.systemd.unit_states().await?;
        units.retain(|_, state| *state != UnitState::Inactive);
        Ok(Self {
            containers: tools.containers.list()?,
            units,
            limited: tools.systemd.limited()?,
            interfaces: named_below(&layout.interfaces_dir(), |name| name.strip_prefix("ve-"))?,
            machines: named_below(&layout.machines_dir(), |name| Some(name))?,
            pins: tools.firewall.pins().await?,
            known_hosts: named_below(&layout.known_hosts_dir(), |name| Some(name))?,
            shared_logins: named_below(&layout.shared_logins_dir(), |name| Some(name))?,
            journal_links: journal_links(host)?,
            nspawn_folders: nspawn_folders(host)?,
            gc_roots: file_names(&layout.gc_roots_dir())?,
        })
    }

    /// Every container of which there is anything.
    pub fn all_containers(&self) -> BTreeSet<ContainerName> {
        let pinned: BTreeSet<ContainerName> = self.pins.iter().map(|pin| pin.container).collect();
        let units: BTreeSet<ContainerName> = self.units.keys().copied().collect();
        [
            &self.containers,
            &units,
            &self.limited,
            &self.interfaces,
            &self.machines,
            &pinned,
            &self.known_hosts,
            &self.shared_logins,
            &self.journal_links,
            &self.nspawn_folders,
        ]
        .into_iter()
        .flatten()
        .copied()
        .collect()
    }

    /// What there is of one container, in words.
    pub fn things_of(&self, name: ContainerName) -> Vec<&'static str> {
        [
            (self.containers.contains(&name), "files"),
            (self.units.contains_key(&name), "a unit"),
            (self.limited.contains(&name), "unit properties"),
            (self.interfaces.contains(&name), "an interface"),
            (self.machines.contains(&name), "a machine"),
            (self.pins.iter().any(|pin| pin.container == name), "a firewall pin"),
            (self.known_hosts.contains(&name), "a pinned host key"),
            (self.shared_logins.contains(&name), "a shared login"),
            (self.journal_links.contains(&name), "a journal link"),
            (self.nspawn_folders.contains(&name), "a folder of nspawn"),
        ]
        .into_iter()
        .filter_map(|(is_there, thing)| is_there.then_some(thing))
        .collect()
    }
}

/// Whether the host has anything of a container whose slot is free according
/// to the records. Starts no process: this is on the way of every create.
pub(crate) fn has_traces(host: &Host, name: ContainerName) -> Result<bool, InventoryError> {
    let layout = &host.layout;
    let paths = [
        layout.conf(name),
        layout.container_root(name),
        layout.profile(name),
        layout.container_gc_roots(name),
        layout.interfaces_dir().join(name.interface()),
        layout.machines_dir().join(name.to_string()),
        layout.known_hosts(name),
    ];
    for path in paths {
        match fs::symlink_metadata(&path) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(InventoryError::Folder { path, source }),
        }
    }
    Ok(host.tools.systemd.limited()?.contains(&name))
}

fn journal_links(host: &Host) -> Result<BTreeSet<ContainerName>, InventoryError> {
    let roots = host.layout.container_roots_dir();
    let links = forget::all_journal_links(&host.layout)?;
    let containers = links.iter().filter_map(|(_, target)| {
        let below = target.strip_prefix(&roots).ok()?;
        below.components().next()?.as_os_str().to_str()?.parse().ok()
    });
    Ok(containers.collect())
}

fn nspawn_folders(host: &Host) -> Result<BTreeSet<ContainerName>, InventoryError> {
    let mut found = named_below(&host.layout.propagation_dir(), |name| Some(name))?;
    found.extend(named_below(&host.layout.socket_export_dir(), |name| Some(name))?);
    Ok(found)
}

/// The containers after which entries of a folder are named.
fn named_below(
    folder: &Path,
    container_part: impl Fn(&str) -> Option<&str>,
) -> Result<BTreeSet<ContainerName>, InventoryError> {
    let names = file_names(folder)?;
    Ok(names.iter().filter_map(|name| container_part(name)?.parse().ok()).collect())
}

fn file_names(folder: &Path) -> Result<BTreeSet<String>, InventoryError> {
    let fail = |source| InventoryError::Folder { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(source) => return Err(fail(source)),
    };
    entries.map(|entry| Ok(entry.map_err(fail)?.file_name().to_string_lossy().into_owned())).collect()
}
