//! What must be true of records and host.

use std::fs;

use berth_core::ContainerName;

use super::super::{UpdateKind, strays};
use super::bed::{Bed, commit};
use crate::firewall_table;
use crate::inventory::Inventory;

impl Bed {
    /// Asserts that this preview serves this commit: what is recorded, what its
    /// repository has, what its services were started with and where requests
    /// are led.
    pub(super) async fn assert_serves(&self, slug: &str, number: u8, when: &str) {
        let record = self.record(slug).await;
        assert_eq!(record.commit, Some(commit(number)), "the recorded commit {when}");
        let published = self.world.published(record.id).map(|(_, commit)| commit);
        assert_eq!(published, Some(commit(number)), "the published commit {when}");
        let container = self.container(&record).await;
        let services = self.world.services(container);
        let meta = record.meta.as_ref().expect("it is deployed");
        for unit in meta.setup_service.iter().chain(&meta.app_services) {
            let environment = services.get(unit.as_str()).map_or("", String::as_str);
            let line = format!("PREVIEW_COMMIT=\"{}\"", commit(number));
            let line_plain = line.replace('"', "");
            let is_right = environment.lines().any(|l| l.replace(['"', '\''], "") == line_plain);
            assert!(is_right, "{unit} in {container} {when}: {environment}");
        }
        let address = self.host.config.subnet.addresses(container.slot()).expect("in the subnet").container;
        let route = self.world.served().remove(&record.id.route_file()).unwrap_or_default();
        assert!(route.contains(&format!("{address}:")), "requests are led to {container} {when}: {route}");
    }

    /// Asserts that records and host are equal, and that nothing forbidden was
    /// done on the way.
    pub(super) async fn assert_agree(&self, when: &str) {
        self.rest();
        let strays = strays(&self.host).await.expect("the host can be looked at");
        assert!(strays.found.is_empty() && strays.unknown.is_empty(), "{strays:?} {when}");
        let berths = self.host.state.berths(None).await.expect("the records can be read");
        let mut recorded: Vec<ContainerName> = berths.iter().map(|berth| berth.container).collect();
        recorded.sort();
        let inventory = Inventory::of(&self.host).await.expect("the host can be looked at");
        let found: Vec<ContainerName> = inventory.all_containers().into_iter().collect();
        assert_eq!(found, recorded, "containers {when}");
        let pins = firewall_table::recorded_pins(&self.host).await.expect("the records can be read");
        assert_eq!(inventory.pins, pins.sources, "pins {when}");
        let databases = self.host.tools.firewall.database_pins().await.expect("listed");
        assert_eq!(databases, pins.databases, "database pins {when}");
        let records = self.records().await;
        for record in records.iter().filter(|record| record.phase.is_served()) {
            assert!(record.berth.is_some(), "{record:?} {when}");
            let is_wanted = record.meta.as_ref().is_some_and(|meta| meta.database.is_some());
            let is_there = self.world.database_password(record.id).is_some();
            assert!(is_there || !is_wanted, "the database of {} {when}", record.slug);
        }
        self.assert_lawful(when);
    }

    /// Asserts that neither host nor records have anything of a preview.
    pub(super) async fn assert_empty(&self, when: &str) {
        assert_eq!(self.world.leftovers(), [""; 0], "left on the host {when}");
        assert_eq!(self.records().await, [], "left in the records {when}");
        assert_eq!(self.host.state.berths(None).await.expect("read"), [], "left in the records {when}");
        let layout = &self.host.layout;
        for folder in [layout.sources_dir(), layout.routes_dir()] {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
            assert!(names.is_empty(), "{names:?} {when}");
        }
        let passwords = crate::database_password::list(layout).expect("listed");
        assert!(passwords.is_empty(), "{passwords:?} {when}");
        let served: Vec<String> = self.world.served().into_keys().collect();
        let site = layout.site_file().file_name().expect("a file").to_string_lossy().into_owned();
        assert_eq!(served, [site], "served {when}");
        self.assert_lawful(when);
    }

    /// Asserts that no rule was broken and no lock is left.
    pub(super) fn assert_lawful(&self, when: &str) {
        assert_eq!(self.world.violations(), [""; 0], "{when}");
        assert_eq!(self.host.locks.stale().expect("locks can be listed"), [], "locks {when}");
    }

    /// The newest commit of its branch is deployed, somehow.
    pub(super) async fn assert_updates_to(&self, slug: &str, number: u8, when: &str) -> UpdateKind {
        let updated = self.update(slug).await;
        let updated = updated.unwrap_or_else(|error| panic!("{when}: {}", error.on_one_line()));
        self.assert_serves(slug, number, &format!("after the update {when}")).await;
        self.assert_agree(&format!("after the update {when}")).await;
        updated.kind
    }
}
