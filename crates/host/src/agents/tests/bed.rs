//! A fake host to operate on, and words for what tests do with it.

use std::time::Duration;

use berth_core::{Config, ContainerName, Kind, Layout, Name, StorePath};
use jiff::Timestamp;
use tempfile::TempDir;

use super::super::{Actor, AgentError, CreateOptions, Destroyed, create, destroy};
use crate::fake::FakeWorld;
use crate::host::Host;
use crate::lock::Locks;
use crate::progress::{Interrupt, Silent};
use crate::reconcile::{Report, reconcile};
use crate::state::{BerthRecord, State};

pub(super) const SYSTEM: &str = "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent";
pub(super) const NEWER: &str = "/nix/store/1mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent";
pub(super) const INSTALLABLE: &str =
    "path:/etc/berth/closures#nixosConfigurations.agent.config.system.build.toplevel";

/// A fake host. A small subnet keeps "exhausted" near.
pub(super) struct Bed {
    pub(super) world: FakeWorld,
    pub(super) host: Host,
    _folder: TempDir,
}

impl Bed {
    /// A host on which the flake builds and nothing has happened yet.
    pub(super) async fn new() -> Self {
        // In memory where there is room for that: durability is not tested here.
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("a folder");
        let layout = Layout::below(folder.path());
        let world = FakeWorld::new(&layout);
        world.flake_builds(INSTALLABLE, Ok(path(SYSTEM)));
        let config =
            Config::parse("subnet = \"10.9.8.0/24\"\n[deadlines]\nboot = \"50ms\"\nstop = \"50ms\"\n");
        let host = Host {
            state: State::open(&layout).await.expect("a database"),
            locks: Locks::new(&layout),
            tools: world.tools(),
            config: config.expect("a configuration"),
            layout,
            now: Timestamp::now,
        };
        Self { world, host, _folder: folder }
    }

    /// The same with a closure built, so that tests of creating see only that.
    pub(super) async fn with_closure() -> Self {
        let bed = Self::new().await;
        super::super::build(&bed.host, &by(), &Silent, &never()).await.expect("the flake builds");
        bed
    }

    pub(super) async fn create(&self, name: &str) -> Result<BerthRecord, AgentError> {
        self.create_until(name, &never()).await
    }

    pub(super) async fn create_until(
        &self,
        name: &str,
        interrupt: &Interrupt,
    ) -> Result<BerthRecord, AgentError> {
        create(&self.host, self.options(name, false), &by(), &Silent, interrupt).await
    }

    pub(super) async fn create_with_gpu(&self, name: &str) -> Result<BerthRecord, AgentError> {
        create(&self.host, self.options(name, true), &by(), &Silent, &never()).await
    }

    pub(super) fn options(&self, name: &str, gpu: bool) -> CreateOptions {
        let limits = self.host.config.agent.limits;
        CreateOptions { name: self::name(name), ttl: None, limits, gpu, wait: true }
    }

    pub(super) async fn destroy(&self, name: &str) -> Result<Destroyed, AgentError> {
        destroy(&self.host, &self::name(name), &by(), &Silent).await
    }

    pub(super) async fn stop(&self, name: &str) -> Result<BerthRecord, AgentError> {
        super::super::stop(&self.host, &self::name(name), &by(), &Silent, &never()).await
    }

    pub(super) async fn start(&self, name: &str) -> Result<BerthRecord, AgentError> {
        super::super::start(&self.host, &self::name(name), &by(), &Silent, &never()).await
    }

    pub(super) async fn reconcile(&self) -> Report {
        reconcile(&self.host, &by(), &Silent, &never()).await.expect("the host can be looked at")
    }

    pub(super) async fn records(&self) -> Vec<BerthRecord> {
        self.host.state.berths(Some(Kind::Agent)).await.expect("the records can be read")
    }

    /// Asserts that neither host nor records have anything of an agent, and
    /// that nothing forbidden was done on the way.
    pub(super) async fn assert_empty(&self, when: &str) {
        assert_eq!(self.world.leftovers(), [""; 0], "left on the host {when}");
        let names: Vec<String> = self.records().await.iter().map(|record| record.name.to_string()).collect();
        assert_eq!(names, [""; 0], "left in the records {when}");
        self.assert_lawful(when);
    }

    /// Asserts that no rule was broken and no lock is left.
    pub(super) fn assert_lawful(&self, when: &str) {
        assert_eq!(self.world.violations(), [""; 0], "{when}");
        assert_eq!(self.host.locks.stale().expect("locks can be listed"), [], "locks {when}");
    }

    /// Works until it is done or hangs; dropped where it hangs, as if killed.
    pub(super) async fn until_it_hangs<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.hang() => None,
        }
    }

    /// Ends when some call hangs.
    pub(super) async fn hang(&self) {
        while !self.world.is_hanging() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many points have been passed so far.
    pub(super) fn points(&self) -> usize {
        self.world.passed().len()
    }
}

pub(super) fn by() -> Actor {
    Actor::new("ada")
}

pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(super) fn container(text: &str) -> ContainerName {
    text.parse().expect("a container")
}

pub(super) fn path(text: &str) -> StorePath {
    text.parse().expect("a store path")
}

pub(super) fn never() -> Interrupt {
    Interrupt::new().1
}
