//! The world that all fakes share.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use berth_core::firewall::Pins;
use berth_core::{ContainerName, Layout, PreviewId, StorePath, Subnet, UnitState};
use secrecy::SecretString;

use super::faults::{Fault, Faults, Moment, Point, failure};
use crate::caddy::FakeCaddyState;
use crate::exec::ExecError;
use crate::github::fake::FakeGitHubState;
use crate::network::FakeNetworkState;
use crate::nix::PlannedPreviews;

/// A host in memory and below one folder. Clones are the same world.
#[derive(Clone)]
pub struct FakeWorld {
    layout: Layout,
    inner: Arc<Mutex<Inner>>,
}

/// How a container behaves when it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Boot {
    /// It comes up and lets people in.
    #[default]
    Works,
    /// It comes up, and these units inside have failed.
    Degraded(Vec<String>),
    /// It comes up, and its sshd never does.
    WithoutSsh,
    /// It comes up, and its sshd proves another key than the one that it was
    /// given.
    WithOtherHostKey,
    /// It dies on the way up, and systemd tries again and again.
    Fails,
    /// It never says that it is ready.
    Hangs,
}

/// What there is of the world in memory.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) units: BTreeMap<ContainerName, Unit>,
    pub(crate) boots: BTreeMap<ContainerName, Boot>,
    /// Starts since the last reset, of units loaded or not.
    pub(crate) starts: BTreeMap<ContainerName, u32>,
    pub(crate) journals: BTreeMap<ContainerName, Vec<String>>,
    pub(crate) table: Option<Table>,
    pub(crate) roles: BTreeMap<PreviewId, SecretString>,
    pub(crate) databases: BTreeSet<PreviewId>,
    pub(crate) is_without_postgres: bool,
    pub(crate) store: BTreeSet<StorePath>,
    pub(crate) flakes: BTreeMap<String, Result<StorePath, String>>,
    pub(crate) previews: PlannedPreviews,
    pub(crate) repositories: crate::repos::fake::Repositories,
    pub(crate) caddy: FakeCaddyState,
    pub(crate) network: FakeNetworkState,
    pub(crate) github: FakeGitHubState,
    /// What systemd has started again by itself.
    pub(crate) restarted: BTreeSet<ContainerName>,
    /// Services that fail whenever they are started, in every container.
    pub(crate) failing_services: BTreeSet<String>,
    /// The services that run in containers, with the environment file that
    /// each was started with.
    pub(crate) services: BTreeMap<ContainerName, BTreeMap<String, String>>,
    violations: Vec<String>,
    faults: Faults,
    is_hanging: bool,
}

/// A loaded unit.
pub(crate) struct Unit {
    pub(crate) state: UnitState,
    /// What it was started with.
    pub(crate) address: String,
}

/// The loaded firewall table.
pub(crate) struct Table {
    pub(crate) subnet: Subnet,
    pub(crate) pins: Pins,
}

impl FakeWorld {
    /// A fresh host whose files lie in `layout`: no containers, no table, an
    /// empty store. The test keeps the folder.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn new(layout: &Layout) -> Self {
        let world = Self { layout: layout.clone(), inner: Arc::default() };
        for folder in
            [layout.conf_dir(), layout.container_roots_dir(), layout.interfaces_dir(), layout.machines_dir()]
        {
            fs::create_dir_all(folder).expect("a test can write below its layout");
        }
        world
    }

    /// Where its files lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Lets the next call of this tool (`containers.create`) fail before it
    /// has an effect.
    pub fn fail_next(&self, call: &str) {
        self.lock().faults.put_next(call, Fault::Fail);
    }

    /// Lets every call of this tool fail, until
    /// [`clear_faults`](Self::clear_faults).
    pub fn fail_always(&self, call: &str) {
        self.lock().faults.put_always(call);
    }

    /// Lets the next call of this tool hang before it has an effect.
    pub fn hang_next(&self, call: &str) {
        self.lock().faults.put_next(call, Fault::Hang);
    }

    /// Lets what comes to the `number`th point fail there. Points count from 0
    /// at the making of the world; [`passed`](Self::passed) tells how far it
    /// is.
    pub fn fail_at(&self, number: usize) {
        self.lock().faults.put_at(number, Fault::Fail);
    }

    /// Lets what comes to the `number`th point hang there for ever.
    pub fn hang_at(&self, number: usize) {
        self.lock().faults.put_at(number, Fault::Hang);
    }

    /// Whether a call has come to where it hangs: what waits for it can be
    /// dropped or interrupted now.
    pub fn is_hanging(&self) -> bool {
        self.lock().is_hanging
    }

    /// Takes all faults back that have not happened yet.
    pub fn clear_faults(&self) {
        self.lock().is_hanging = false;
        self.lock().faults.clear();
    }

    /// Every point passed so far, in order: for asserting what happened when,
    /// and for finding points to fail at.
    pub fn passed(&self) -> Vec<Point> {
        self.lock().faults.passed().to_vec()
    }

    /// The calls so far, in order, with their subjects: `systemd.start a1`.
    pub fn calls(&self) -> Vec<String> {
        let passed = self.passed().into_iter();
        passed.filter(|point| point.moment == Moment::Before).map(|point| point.call).collect()
    }

    /// What was done that must never be done, such as removing files under a
    /// living unit.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Chooses how a container will boot from now on.
    pub fn boots(&self, name: ContainerName, boot: Boot) {
        self.lock().boots.insert(name, boot);
    }

    /// Puts a path into the store, unrooted.
    pub fn add_to_store(&self, path: &StorePath) {
        self.lock().store.insert(path.clone());
    }

    /// Lets `flake#attribute` build this path, or fail with this message.
    pub fn flake_builds(&self, installable: &str, result: Result<StorePath, &str>) {
        self.lock().flakes.insert(installable.to_owned(), result.map_err(str::to_owned));
    }

    /// Removes every store path that no root holds: neither Berth's own nor a
    /// container's profile.
    pub fn collect_garbage(&self) {
        let mut held = links_in(&self.layout.gc_roots_dir());
        let profiles = fs::read_dir(self.layout.profiles_dir()).into_iter().flatten().flatten();
        held.extend(profiles.flat_map(|profile| links_in(&profile.path())));
        self.lock().store.retain(|path| held.contains(path.as_path()));
    }

    /// Chooses whether a PostgreSQL runs on the host, as one does at first.
    pub fn has_postgres(&self, is_running: bool) {
        self.lock().is_without_postgres = !is_running;
    }

    /// The password that a preview's database takes, if it has one.
    pub fn database_password(&self, id: PreviewId) -> Option<SecretString> {
        let inner = self.lock();
        inner.databases.get(&id).and_then(|id| inner.roles.get(id)).cloned()
    }

    /// What a reboot of the host leaves: files, and nothing that ran or was
    /// loaded.
    pub fn reboot(&self) {
        let names: Vec<ContainerName> = self.lock().units.keys().copied().collect();
        for name in names {
            self.unload(name);
        }
        let mut inner = self.lock();
        inner.table = None;
        inner.starts.clear();
        drop(inner);
        for folder in [self.layout.lock_dir(), self.layout.known_hosts_dir()] {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// Lets systemd finish what it began for callers that are gone: a start
    /// under way succeeds, a stop under way ends.
    pub fn settle(&self) {
        let states: Vec<_> = self.lock().units.iter().map(|(name, unit)| (*name, unit.state)).collect();
        for (name, state) in states {
            match state {
                UnitState::Activating if self.boot(name) != Boot::Fails => self.come_up(name),
                UnitState::Deactivating => self.unload(name),
                UnitState::Activating | UnitState::Inactive | UnitState::Active | UnitState::Failed => {}
            }
        }
    }

    /// The unit's state, inactive when it is not loaded.
    pub fn unit_state(&self, name: ContainerName) -> UnitState {
        self.lock().units.get(&name).map_or(UnitState::Inactive, |unit| unit.state)
    }

    /// Lets a container die by itself, as when its root powers it off.
    pub fn power_off(&self, name: ContainerName) {
        self.unload(name);
    }

    /// A reboot from inside: systemd brings the container back by itself, and
    /// its services that are no part of its boot stay down.
    pub fn reboot_inside(&self, name: ContainerName) {
        let mut inner = self.lock();
        inner.services.remove(&name);
        inner.restarted.insert(name);
    }

    /// Everything that the host has of containers, in words: empty on a host
    /// that was cleaned up.
    pub fn leftovers(&self) -> Vec<String> {
        let layout = &self.layout;
        let mut left = Vec::new();
        for folder in [
            layout.conf_dir(),
            layout.container_roots_dir(),
            layout.profiles_dir(),
            layout.container_gc_roots_dir(),
            layout.interfaces_dir(),
            layout.machines_dir(),
            layout.known_hosts_dir(),
            layout.journal_links_dir(),
        ]
        .into_iter()
        .chain(layout.unit_control_dirs())
        {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| self.shown(&entry.path())));
        }
        let inner = self.lock();
        left.extend(inner.units.keys().map(|name| format!("unit {}", name.unit())));
        left.extend(inner.starts.keys().map(|name| format!("start counter of {name}")));
        if let Some(Table { pins, .. }) = &inner.table {
            left.extend(pins.sources.iter().map(|pin| format!("pin {}", pin.element())));
            left.extend(pins.databases.iter().map(|pin| format!("database pin {}", pin.element())));
        }
        left.extend(inner.roles.keys().map(|id| format!("role {}", id.database())));
        left.extend(inner.databases.iter().map(|id| format!("database {}", id.database())));
        left.sort();
        left
    }

    fn shown(&self, path: &std::path::Path) -> String {
        let below = path.strip_prefix(self.layout.root()).unwrap_or(path);
        format!("/{}", below.display())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the world")
    }

    pub(crate) fn boot(&self, name: ContainerName) -> Boot {
        self.lock().boots.get(&name).cloned().unwrap_or_default()
    }

    pub(crate) fn violate(&self, what: String) {
        self.lock().violations.push(what);
    }

    pub(crate) fn say(&self, name: ContainerName, line: &str) {
        self.lock().journals.entry(name).or_default().push(line.to_owned());
    }

    /// Brings a unit to where its container runs: active, with an interface, a
    /// machine, and the traces that nspawn leaves.
    pub(crate) fn come_up(&self, name: ContainerName) {
        if let Some(unit) = self.lock().units.get_mut(&name) {
            unit.state = UnitState::Active;
        }
        let layout = &self.layout;
        let id = format!("{:032x}", name.slot().get());
        let journal = layout.container_root(name).join("var/log/journal").join(&id);
        let link = layout.journal_links_dir().join(&id);
        for folder in
            [layout.interfaces_dir().join(name.interface()), layout.journal_links_dir(), journal.clone()]
        {
            fs::create_dir_all(folder).expect("a test can write below its layout");
        }
        fs::write(layout.machines_dir().join(name.to_string()), "")
            .expect("a test can write below its layout");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(journal, link).expect("a test can write below its layout");
    }

    /// Ends a unit with all that its container had while it ran.
    pub(crate) fn unload(&self, name: ContainerName) {
        self.lock().units.remove(&name);
        self.lock().services.remove(&name);
        self.lock().restarted.remove(&name);
        let _ = fs::remove_dir_all(self.layout.interfaces_dir().join(name.interface()));
        let _ = fs::remove_file(self.layout.machines_dir().join(name.to_string()));
    }

    /// Passes a point: goes on, fails or hangs as was planned.
    pub(crate) async fn pass(&self, call: &str, moment: Moment) -> Result<(), ExecError> {
        match self.fault(call, moment) {
            None => Ok(()),
            Some(Fault::Fail) => Err(failure(call, "planned by the test")),
            Some(Fault::Hang) => {
                self.lock().is_hanging = true;
                std::future::pending().await
            }
        }
    }

    /// The same for calls that cannot hang.
    pub(crate) fn pass_now(&self, call: &str) -> Result<(), ExecError> {
        self.fault(call, Moment::Before).map_or(Ok(()), |_| Err(failure(call, "planned by the test")))
    }

    fn fault(&self, call: &str, moment: Moment) -> Option<Fault> {
        self.lock().faults.pass(Point { call: call.to_owned(), moment })
    }
}

fn links_in(folder: &std::path::Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}
