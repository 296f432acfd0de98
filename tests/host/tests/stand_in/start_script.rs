//! What the start script does as root on paths that the container owns, and
//! the two generations of the module.

use berth_testhost::{OwnHost, TestHost};

use crate::plain::Plain;

/// A folder of the host that no container should be able to touch.
fn victim(host: &TestHost, name: &str) -> String {
    let path = format!("/srv/{name}");
    host.command("install").args(["-d", "-m", "0755", &path]).ok();
    path
}

fn plant_link(host: &TestHost, plain: &Plain<'_>, place: &str, target: &str) {
    let path = plain.path(place);
    host.shell(&format!("rm -rf '{path}' && mkdir -p \"$(dirname '{path}')\" && ln -s '{target}' '{path}'"))
        .ok();
}

fn mode(host: &TestHost, path: &str) -> String {
    host.command("stat").args(["-c", "%a", path]).ok().stdout.trim_end().to_owned()
}

/// Runs the start script itself, so that a guard in the unit does not matter.
fn run_start_script(host: &TestHost, plain: &Plain<'_>) {
    let script = "timeout 20 /usr/lib/berth-testhost/container/start";
    host.command("bash")
        .args(["-c", script])
        .env("INSTANCE", &plain.name)
        .env("root", plain.path(""))
        .env("SYSTEM_PATH", "/nonexistent")
        .run();
}

fn follows_links(host: &TestHost) {
    let plain = Plain::created(host);
    let root = victim(host, &format!("{}-root", plain.name));
    let etc = victim(host, &format!("{}-etc", plain.name));
    plant_link(host, &plain, "/root", &root);
    plant_link(host, &plain, "/etc", &etc);
    run_start_script(host, &plain);
    assert_eq!(mode(host, &root), "700", "a folder of the host was closed");
    assert!(host.exists(&format!("{etc}/machine-id")), "files were written into a folder of the host");
    assert!(host.exists(&format!("{etc}/os-release")));
}

#[test]
fn the_new_start_script_follows_links_that_the_container_planted() {
    follows_links(&TestHost::shared());
}

#[test]
fn the_old_start_script_follows_links_too_and_copies_resolv_conf() {
    let host = OwnHost::boot("stand-in-links").expect("a host boots");
    host.write_file("/etc/berth-testhost/module-generation", "old\n", 0o644);
    follows_links(&host);
    let plain = Plain::created(&host);
    run_start_script(&host, &plain);
    assert_eq!(host.read_file(&plain.path("/etc/resolv.conf")), host.read_file("/etc/resolv.conf"));
}

#[test]
fn the_new_start_script_copies_resolv_conf_only_when_told() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    assert!(!host.exists(&plain.path("/etc/resolv.conf")));
    plain.tool("stop").ok();
    plain.configure("COPY_RESOLV_CONF=1");
    plain.tool("start").ok();
    assert_eq!(host.read_file(&plain.path("/etc/resolv.conf")), host.read_file("/etc/resolv.conf"));
}

#[test]
fn private_users_of_the_new_module_maps_root_and_the_store() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    plain.configure("PRIVATE_USERS=pick");
    plain.configure("EXTRA_NSPAWN_FLAGS=--private-users-ownership=auto");
    plain.tool("start").ok();
    let map = plain.inside("cat /proc/1/uid_map").stdout;
    let first: Vec<_> = map.split_whitespace().collect();
    assert_ne!(first[1], "0", "container root is not host root: {map}");
    assert_eq!(first[2], "65536");
    assert_eq!(plain.inside("stat -c %U /nix/store/*-berth-test-guest").stdout, "root\n");
    let root_mount = plain
        .inside("grep ' / / ' /proc/self/mountinfo; findmnt -no OPTIONS / || grep ' / ' /proc/mounts")
        .stdout;
    assert!(root_mount.contains("idmapped"), "idmapped mounts work here as on real hosts: {root_mount}");
}

#[test]
fn the_old_module_knows_no_private_users_and_takes_flags() {
    let host = OwnHost::boot("stand-in-old").expect("a host boots");
    host.write_file("/etc/berth-testhost/module-generation", "old\n", 0o644);
    let ignored = Plain::created(&host);
    ignored.configure("PRIVATE_USERS=pick");
    ignored.tool("start").ok();
    assert_eq!(
        ignored.inside("cut -d' ' -f1 /proc/1/uid_map; awk '{print $2}' /proc/1/uid_map").stdout.trim(),
        "0"
    );

    for ownership in ["auto", "chown"] {
        let plain = Plain::created(&host);
        plain.configure(&format!(
            "EXTRA_NSPAWN_FLAGS=--private-users=pick --private-users-ownership={ownership} --settings=no"
        ));
        plain.tool("start").ok();
        assert_ne!(plain.inside("awk '{print $2}' /proc/1/uid_map").stdout.trim(), "0", "{ownership}");
        assert_eq!(plain.inside("stat -c %u /nix/store/*-berth-test-guest").stdout, "65534\n", "{ownership}");
        let owner = host.command("stat").args(["-c", "%u", &plain.path("/etc/hosts")]).ok().stdout;
        assert_eq!(owner == "0\n", ownership == "auto", "on the host the root belongs to {owner}");
    }
}

#[test]
fn extra_flags_are_split_and_globbed() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let folder = victim(&host, &format!("{}-globbed", plain.name));
    let pattern = folder.replace("globbed", "gl[o]bbed");
    plain.configure(&format!("EXTRA_NSPAWN_FLAGS=--bind-ro=/etc/hostname:/srv/split  --bind-ro {pattern}"));
    plain.tool("start").ok();
    plain.inside(&format!("test -e /srv/split && test -d {folder}"));
}

#[test]
fn system_path_of_the_configuration_wins_over_the_profile() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    host.command("ln")
        .args(["-sfn", "/etc", &format!("/nix/var/nix/profiles/per-container/{}/system", plain.name)])
        .ok();
    plain.configure(&format!(
        "SYSTEM_PATH={}",
        host.command("readlink").arg(crate::plain::CLOSURE).ok().stdout.trim_end()
    ));
    plain.tool("start").ok();
    assert_eq!(plain.inside("cat /run/current-system/marker").stdout, "plain");
}

#[test]
fn the_profile_folder_is_writable_from_inside() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    plain.inside("ln -sfn /etc /nix/var/nix/profiles/system");
    let link = format!("/nix/var/nix/profiles/per-container/{}/system", plain.name);
    assert_eq!(host.command("readlink").arg(link).ok().stdout, "/etc\n");
}

#[test]
fn update_ignores_the_system_path() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let updated = plain.tool("update").args(["--system-path", crate::plain::CLOSURE]).run();
    assert!(!updated.is_success(), "it wants to build from nixpkgs, which is not there: {updated}");
}
