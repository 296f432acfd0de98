//! `destroy`: what it forgives and what it overlooks.

use std::time::Duration;

use berth_testhost::{BootOptions, OwnHost, TestHost, wait_until};

use crate::plain::Plain;

#[test]
fn destroying_a_missing_container_is_silent() {
    let host = TestHost::shared();
    let destroyed = Plain::unmade(&host).tool("destroy").ok();
    assert_eq!((destroyed.stdout.as_str(), destroyed.stderr.as_str()), ("", ""));
}

#[test]
fn destroy_ends_a_running_container_and_removes_its_files() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    plain.tool("destroy").ok();
    assert!(!host.exists(&plain.configuration()));
    assert!(!host.exists(&plain.path("")));
    assert!(!host.exists(&format!("/nix/var/nix/profiles/per-container/{}", plain.name)));
    assert!(!host.exists(&format!("/sys/class/net/ve-{}", plain.name)));
}

#[test]
fn destroy_reports_success_with_an_immutable_file_left() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    host.write_file(&plain.path("/home/agent/kept"), "still here", 0o644);
    host.command("chattr").args(["+i", &plain.path("/home/agent/kept")]).ok();
    let destroyed = plain.tool("destroy").ok();
    assert!(destroyed.stderr.contains("Operation not permitted"), "{destroyed}");
    assert!(host.exists(&plain.path("/home/agent/kept")));
    assert!(!host.exists(&plain.configuration()));
}

#[test]
fn destroy_reports_success_with_a_btrfs_subvolume_left() {
    let options = BootOptions::named("stand-in-btrfs").on_btrfs();
    let host = OwnHost::boot_with(&options).expect("a host boots");
    let plain = Plain::created(&host);
    plain.configure("PRIVATE_USERS=pick");
    plain.configure("EXTRA_NSPAWN_FLAGS=--private-users-ownership=auto");
    plain.tool("start").ok();
    let subvolume = plain.path("/srv/subvolume");
    host.command("btrfs").args(["subvolume", "create", &subvolume]).ok();
    // An empty one would go like a folder.
    host.write_file(&format!("{subvolume}/file"), "kept", 0o644);
    let destroyed = plain.tool("destroy").ok();
    assert!(destroyed.stderr.contains("since it's on a different device"), "{destroyed}");
    assert!(host.exists(&subvolume));
}

#[test]
fn destroy_frees_var_empty_first() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let flags = host.command("lsattr").args(["-d", &plain.path("/var/empty")]).ok().stdout;
    assert!(
        flags.split(' ').next().is_some_and(|flags| flags.contains('i')),
        "the guest made it immutable: {flags}"
    );
    plain.tool("destroy").ok();
    assert!(!host.exists(&plain.path("")));
}

#[test]
fn destroy_while_activating_removes_files_under_a_living_unit() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    // Waits for ever in its first process, before READY.
    host.write_file(&plain.path("/hang"), "", 0o644);
    plain.configure("SYSTEM_PATH=/run/op-hanging");
    host.write_file("/run/op-hanging/system", "x86_64-linux", 0o644);
    host.write_file("/run/op-hanging/init", "while :; do sleep 1; done\n", 0o755);
    plain.configure("EXTRA_NSPAWN_FLAGS=--bind-ro=/run/op-hanging");
    host.command("systemctl").args(["start", "--no-block", &plain.unit()]).ok();
    let long = Duration::from_mins(1);
    wait_until(long, "the start script has made the root", || host.exists(&plain.path("/etc/machine-id")));
    wait_until(long, "a process runs", || {
        plain.property("ActiveState") == "activating" && plain.property("MainPID") != "0"
    });
    plain.tool("destroy").ok();
    assert!(!host.exists(&plain.configuration()));
    assert_eq!(plain.property("ActiveState"), "activating", "the unit lives on without files");
}

#[test]
fn a_dangling_journal_link_stays_behind() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let id = plain.inside("cat /etc/machine-id").stdout.trim_end().to_owned();
    plain.tool("stop").ok();
    plain.tool("start").ok();
    plain.tool("destroy").ok();
    assert!(host.exists(&format!("/var/log/journal/{id}")));
    host.command("rm").arg(format!("/var/log/journal/{id}")).ok();
}
