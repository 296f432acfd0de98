use std::net::Ipv4Addr;
use std::time::Duration;

use berth_core::conf_file::{ContainerConf, Ownership};
use berth_core::firewall::{Pin, Pins};
use berth_core::{AddressPair, ContainerName, Layout, PreviewId, StorePath, Subnet, UnitState};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::*;
use crate::containers::{Containers, FakeContainers};
use crate::nftables::{FakeFirewall, Firewall, FirewallError};
use crate::nix::{FakeNix, Nix};
use crate::postgres::{FakePostgres, Postgres, PostgresError};
use crate::systemd::{FakeSystemd, Systemd, SystemdError};

const SOON: Duration = Duration::from_secs(5);

struct Place {
    _folder: tempfile::TempDir,
    world: FakeWorld,
    containers: FakeContainers,
    systemd: FakeSystemd,
    firewall: FakeFirewall,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let world = FakeWorld::new(&Layout::below(folder.path()));
    world.add_to_store(&system());
    Place {
        _folder: folder,
        containers: FakeContainers::new(&world),
        systemd: FakeSystemd::new(&world),
        firewall: FakeFirewall::new(&world),
        world,
    }
}

/// A place with the firewall loaded and one stopped container.
async fn place_with(name: ContainerName) -> Place {
    let place = place();
    place.firewall.load(subnet(), &Pins::default()).await.unwrap();
    place.containers.create(name, &conf(25)).await.unwrap();
    place
}

fn container(text: &str) -> ContainerName {
    text.parse().unwrap()
}

fn system() -> StorePath {
    "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent".parse().unwrap()
}

fn subnet() -> Subnet {
    Subnet::try_from("10.100.0.0/16".parse::<ipnet::Ipv4Net>().unwrap()).unwrap()
}

fn conf(last: u8) -> ContainerConf {
    let address = |last| Ipv4Addr::new(10, 100, 0, last);
    let addresses = AddressPair { host: address(last - 1), container: address(last) };
    ContainerConf { addresses, system: system(), ownership: Ownership::Auto, flags: vec![] }
}

#[tokio::test]
async fn a_planned_failure_happens_once_and_before_any_effect() {
    let a1 = container("a1");
    let Place { world, systemd, .. } = &place_with(a1).await;
    world.fail_next("systemd.start");
    systemd.start(a1, SOON).await.expect_err("it was told to fail");
    assert_eq!(world.unit_state(a1), UnitState::Inactive);
    systemd.start(a1, SOON).await.unwrap();
    assert_eq!(world.unit_state(a1), UnitState::Active);
    assert_eq!(world.calls().last().map(String::as_str), Some("systemd.start a1"));
}

#[tokio::test]
async fn a_call_that_hangs_midway_leaves_what_it_did_and_systemd_goes_on() {
    let a1 = container("a1");
    let Place { world, systemd, .. } = &place_with(a1).await;
    let begin = world.passed().len();
    world.hang_at(begin + 1);
    timeout(Duration::from_millis(20), systemd.start(a1, SOON)).await.expect_err("it hangs");
    assert_eq!(world.passed()[begin + 1].to_string(), "midway in `systemd.start a1`");
    assert_eq!(world.unit_state(a1), UnitState::Activating);
    world.settle();
    assert_eq!(world.unit_state(a1), UnitState::Active);
}

#[tokio::test]
async fn removing_under_a_living_unit_is_noted_and_the_files_come_back() {
    let a1 = container("a1");
    let Place { world, containers, systemd, .. } = &place_with(a1).await;
    systemd.start(a1, SOON).await.unwrap();
    containers.remove(a1).await.unwrap();
    assert_eq!(world.violations(), ["a1 was removed under its living unit"]);
    assert!(world.layout().container_root(a1).exists());
}

#[tokio::test]
async fn a_stop_and_a_removal_leave_only_what_is_outside_the_container() {
    let a1 = container("a1");
    let Place { world, containers, systemd, .. } = &place_with(a1).await;
    systemd.start(a1, SOON).await.unwrap();
    assert!(world.leftovers().contains(&"/sys/class/net/ve-a1".to_owned()));
    systemd.stop(a1, SOON).await.unwrap();
    containers.remove(a1).await.unwrap();
    assert_eq!(world.leftovers(), ["/var/log/journal/00000000000000000000000000000001"]);
    assert!(world.violations().is_empty());
}

type TakeAway = fn(&FakeWorld);

#[tokio::test]
async fn what_a_container_needs_is_missed_at_its_start() {
    let a1 = container("a1");
    let without: [(&str, TakeAway); 3] = [
        ("firewall", FakeWorld::reboot),
        ("system", |world| {
            std::fs::remove_dir_all(world.layout().profile(container("a1"))).unwrap();
            world.collect_garbage();
        }),
        ("root", |world| std::fs::remove_dir(world.layout().container_root(container("a1"))).unwrap()),
    ];
    for (what, take_away) in without {
        let Place { world, systemd, .. } = &place_with(a1).await;
        take_away(world);
        let error = systemd.start(a1, SOON).await.expect_err(what);
        assert!(matches!(error, SystemdError::Start(_)), "{what}: {error}");
        assert_eq!(world.unit_state(a1), UnitState::Activating, "{what}: it tries again and again");
        assert!(!systemd.unit_log(a1, 10).await.unwrap().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn one_address_serves_one_container() {
    let (a1, a2) = (container("a1"), container("a2"));
    let Place { containers, systemd, .. } = &place_with(a1).await;
    containers.create(a2, &conf(25)).await.unwrap();
    systemd.start(a1, SOON).await.unwrap();
    systemd.start(a2, SOON).await.expect_err("the address is taken");
    assert_eq!(systemd.unit_log(a2, 1).await.unwrap(), "RTNETLINK answers: File exists");
}

#[tokio::test]
async fn a_boot_that_hangs_ends_at_the_deadline_and_one_that_fails_restarts_until_it_is_stopped() {
    let a1 = container("a1");
    let Place { world, systemd, .. } = &place_with(a1).await;
    world.boots(a1, Boot::Hangs);
    let error = systemd.start(a1, Duration::from_millis(5)).await.expect_err("it hangs");
    assert_eq!(
        error.to_string(),
        "a1 was not up within 5ms and was stopped; raise `deadlines.boot` if it only needs longer"
    );
    assert_eq!(world.unit_state(a1), UnitState::Inactive);
    world.boots(a1, Boot::Fails);
    systemd.start(a1, SOON).await.expect_err("it fails");
    world.settle();
    assert_eq!(world.unit_state(a1), UnitState::Activating);
    systemd.stop(a1, SOON).await.unwrap();
    assert_eq!(world.unit_state(a1), UnitState::Inactive);
}

#[tokio::test]
async fn the_start_counter_outlives_a_container_until_it_is_stopped_properly() {
    let a1 = container("a1");
    let Place { world, systemd, .. } = &place_with(a1).await;
    for _ in 0..5 {
        systemd.start(a1, SOON).await.unwrap();
        world.power_off(a1);
    }
    systemd.start(a1, SOON).await.expect_err("too quickly");
    assert_eq!(world.unit_state(a1), UnitState::Failed);
    systemd.stop(a1, SOON).await.unwrap();
    systemd.start(a1, SOON).await.unwrap();
}

#[tokio::test]
async fn garbage_is_what_no_root_holds() {
    let Place { world, .. } = &place();
    let nix = FakeNix::new(world);
    let root = world.layout().gc_root(1);
    nix.pin(&system(), &root).await.unwrap();
    world.collect_garbage();
    assert!(nix.is_valid(&system()).await.unwrap());
    std::fs::remove_file(root).unwrap();
    world.collect_garbage();
    assert!(!nix.is_valid(&system()).await.unwrap());
}

#[tokio::test]
async fn a_reboot_leaves_files_and_takes_the_firewall() {
    let a1 = container("a1");
    let Place { world, containers, systemd, firewall, .. } = &place_with(a1).await;
    let pin = Pin { container: a1, address: Ipv4Addr::new(10, 100, 0, 25) };
    firewall.pin(pin).await.unwrap();
    systemd.start(a1, SOON).await.unwrap();
    world.reboot();
    assert_eq!(world.unit_state(a1), UnitState::Inactive);
    assert!(!firewall.is_current(subnet()).await.unwrap());
    assert!(matches!(firewall.pin(pin).await, Err(FirewallError::NotLoaded)));
    assert!(containers.list().unwrap().contains(&a1));
}

#[tokio::test]
async fn a_database_that_is_half_made_or_half_removed_is_listed() {
    let Place { world, .. } = &place();
    let postgres = FakePostgres::new(world);
    let (id, password) = (PreviewId::new(42), SecretString::from("word"));
    world.hang_at(world.passed().len() + 1);
    timeout(Duration::from_millis(20), postgres.ensure(id, &password)).await.expect_err("it hangs");
    assert_eq!(postgres.list().await.unwrap(), [id].into());
    assert!(world.database_password(id).is_none());
    postgres.ensure(id, &password).await.unwrap();
    assert_eq!(world.database_password(id).unwrap().expose_secret(), "word");
    world.reboot();
    assert_eq!(world.leftovers(), ["database berth_d42", "role berth_d42"]);

    world.hang_at(world.passed().len() + 1);
    timeout(Duration::from_millis(20), postgres.remove(id)).await.expect_err("it hangs");
    assert_eq!(postgres.list().await.unwrap(), [id].into());
    world.has_postgres(false);
    let error = postgres.list().await.expect_err("nobody answers");
    assert!(matches!(error, PostgresError::NotThere { .. }), "{error}");
    world.has_postgres(true);
    for _ in 0..2 {
        postgres.remove(id).await.unwrap();
        assert!(postgres.list().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_right_to_reach_the_databases_ends_with_the_pin() {
    let Place { firewall, world, .. } = &place();
    let pin = Pin { container: container("p12"), address: Ipv4Addr::new(10, 100, 0, 25) };
    assert!(matches!(firewall.open_database(pin).await, Err(FirewallError::NotLoaded)));
    firewall.load(subnet(), &Pins { sources: [pin].into(), ..Pins::default() }).await.unwrap();
    for _ in 0..2 {
        firewall.open_database(pin).await.unwrap();
        assert_eq!(firewall.database_pins().await.unwrap(), [pin].into());
    }
    firewall.close_database(pin).await.unwrap();
    assert_eq!(firewall.database_pins().await.unwrap(), [].into());
    firewall.open_database(pin).await.unwrap();
    firewall.unpin(pin).await.unwrap();
    assert!(world.leftovers().is_empty());
}
