use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use berth_core::conf_file::Ownership;
use berth_core::{AddressPair, Layout, StorePath};

use super::*;
use crate::fake::{FakeWorld, Moment};

struct Place {
    _folder: tempfile::TempDir,
    layout: Layout,
    world: FakeWorld,
    containers: FakeContainers,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::below(folder.path());
    let world = FakeWorld::new(&layout);
    world.add_to_store(&system());
    let containers = FakeContainers::new(&world);
    Place { _folder: folder, layout, world, containers }
}

fn name() -> ContainerName {
    "a12".parse().unwrap()
}

fn system() -> StorePath {
    "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent".parse().unwrap()
}

fn conf() -> ContainerConf {
    let addresses =
        AddressPair { host: Ipv4Addr::new(10, 100, 0, 24), container: Ipv4Addr::new(10, 100, 0, 25) };
    ContainerConf { addresses, system: system(), ownership: Ownership::Auto, flags: vec![] }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Everything that a container consists of is there, and as it should be.
fn assert_whole(layout: &Layout) {
    assert_eq!(fs::read_to_string(layout.conf(name())).unwrap(), conf().render());
    assert_eq!(mode(&layout.conf(name())), 0o644);
    assert_eq!(mode(&layout.container_roots_dir()), 0o700);
    assert_eq!(mode(&layout.container_root(name())), 0o755);
    assert_eq!(fs::read_link(layout.profile(name()).join("system")).unwrap(), system().as_path());
}

#[tokio::test]
async fn a_new_container_has_berths_configuration_and_a_root() {
    let Place { layout, containers, .. } = &place();
    containers.create(name(), &conf()).await.unwrap();
    assert_whole(layout);
    assert_eq!(containers.list().unwrap(), BTreeSet::from([name()]));
}

#[tokio::test]
async fn a_half_made_container_is_completed_wherever_the_first_attempt_ended() {
    let points = {
        let Place { world, containers, .. } = &place();
        containers.create(name(), &conf()).await.unwrap();
        world.passed()
    };
    assert!(points.iter().any(|point| point.moment == Moment::Midway));
    for (number, point) in points.iter().enumerate() {
        let Place { layout, world, containers, .. } = &place();
        world.fail_at(number);
        containers.create(name(), &conf()).await.expect_err("it was told to fail");
        containers.create(name(), &conf()).await.unwrap_or_else(|error| panic!("{point}: {error}"));
        assert_whole(layout);
    }
}

#[tokio::test]
async fn a_removal_that_failed_goes_on_where_it_ended() {
    let points = {
        let Place { world, containers, .. } = &place();
        containers.create(name(), &conf()).await.unwrap();
        let made = world.passed().len();
        containers.remove(name()).await.unwrap();
        made..world.passed().len()
    };
    for number in points {
        let Place { world, containers, .. } = &place();
        containers.create(name(), &conf()).await.unwrap();
        world.fail_at(number);
        containers.remove(name()).await.expect_err("it was told to fail");
        containers.remove(name()).await.unwrap();
        assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
    }
}

#[tokio::test]
async fn a_second_create_keeps_the_files_of_the_container() {
    let Place { layout, containers, .. } = &place();
    containers.create(name(), &conf()).await.unwrap();
    let file = layout.container_root(name()).join("work");
    fs::write(&file, "mine").unwrap();
    containers.create(name(), &conf()).await.unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[tokio::test]
async fn files_of_an_earlier_container_are_not_adopted() {
    let Place { layout, containers, .. } = &place();
    fs::create_dir_all(layout.container_root(name()).join("etc")).unwrap();
    let error = containers.create(name(), &conf()).await.expect_err("an old root");
    let path = layout.container_root(name());
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` has files of an earlier container; remove them with `agent doctor --fix`",
            path.display()
        )
    );
    assert!(!layout.conf(name()).exists());
}

#[tokio::test]
async fn a_symlink_in_the_place_of_the_root_is_refused_and_removed_without_following_it() {
    let Place { layout, containers, .. } = &place();
    let victim = layout.root().join("victim");
    fs::create_dir(&victim).unwrap();
    symlink(&victim, layout.container_root(name())).unwrap();
    let error = containers.create(name(), &conf()).await.expect_err("a symlink");
    assert!(matches!(error, ContainersError::NoFolder { .. }), "{error}");

    fs::write(victim.join("file"), "").unwrap();
    containers.remove(name()).await.unwrap();
    assert!(victim.join("file").exists());
    assert!(fs::symlink_metadata(layout.container_root(name())).is_err());
}

#[tokio::test]
async fn each_part_alone_is_listed_and_removed() {
    type Plant = fn(&Layout);
    let parts: [(&str, Plant); 5] = [
        ("configuration", |layout| fs::write(layout.conf(name()), "").unwrap()),
        ("root", |layout| fs::create_dir_all(layout.container_root(name()).join("etc")).unwrap()),
        ("profile", |layout| fs::create_dir_all(layout.profile(name())).unwrap()),
        ("gc roots", |layout| fs::create_dir_all(layout.container_gc_roots(name())).unwrap()),
        ("dangling root", |layout| symlink("/nowhere", layout.container_root(name())).unwrap()),
    ];
    for (part, plant) in parts {
        let Place { layout, world, containers, .. } = &place();
        assert!(containers.list().unwrap().is_empty());
        plant(layout);
        assert_eq!(containers.list().unwrap(), BTreeSet::from([name()]), "{part}");
        containers.remove(name()).await.unwrap();
        containers.remove(name()).await.unwrap();
        assert!(world.leftovers().is_empty(), "{part}: {:?}", world.leftovers());
    }
}

#[tokio::test]
async fn what_nspawn_and_killed_writers_leave_is_removed_and_other_containers_stay() {
    let Place { layout, world, containers, .. } = &place();
    containers.create(name(), &conf()).await.unwrap();
    fs::write(layout.conf_dir().join(".a12.conf.4711"), "half").unwrap();
    fs::write(layout.container_roots_dir().join(".#a12.lck"), "").unwrap();
    fs::write(layout.conf_dir().join("web.conf"), "").unwrap();
    fs::write(layout.conf_dir().join(".a1.conf.4711"), "").unwrap();
    assert_eq!(containers.list().unwrap(), BTreeSet::from([name()]));
    containers.remove(name()).await.unwrap();
    assert_eq!(world.leftovers(), ["/etc/nixos-containers/.a1.conf.4711", "/etc/nixos-containers/web.conf"]);
}

#[tokio::test]
async fn a_system_that_is_not_in_the_store_makes_no_container() {
    let Place { world, containers, .. } = &place();
    world.collect_garbage();
    let error = containers.create(name(), &conf()).await.expect_err("no system");
    assert!(matches!(error, ContainersError::Create(_)), "{error}");
    assert!(world.leftovers().is_empty(), "{:?}", world.leftovers());
}

#[test]
fn a_folder_that_cannot_be_read_is_no_empty_folder() {
    let Place { layout, containers, .. } = &place();
    fs::remove_dir(layout.conf_dir()).unwrap();
    fs::write(layout.conf_dir(), "a file").unwrap();
    assert!(matches!(containers.list(), Err(ContainersError::Io { action: "read", .. })));
}
