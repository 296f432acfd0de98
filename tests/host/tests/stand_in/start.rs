//! `start`, `stop` and what happens meanwhile.

use std::time::Duration;

use berth_testhost::{TestHost, wait_until};

use crate::plain::Plain;

const LONG: Duration = Duration::from_mins(1);

#[test]
fn start_when_up_and_stop_when_down_are_silent() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let started = plain.tool("start").ok();
    assert_eq!((started.stdout.as_str(), started.stderr.as_str()), ("", ""));
    plain.tool("stop").ok();
    let stopped = plain.tool("stop").ok();
    assert_eq!((stopped.stdout.as_str(), stopped.stderr.as_str()), ("", ""));
}

#[test]
fn start_returns_when_the_system_inside_is_ready() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    assert_eq!(plain.inside("systemctl is-active multi-user.target").stdout, "active\n");
    host.command("nc").args(["-z", "-w", "5", &plain.address, "22"]).ok();
}

#[test]
fn a_system_that_does_not_boot_fails_the_start_with_code_1() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    plain.configure(&format!("SYSTEM_PATH={}", build(&host, "broken-boot")));
    let started = plain.tool("start").run();
    assert_eq!(started.code(), Some(1), "{started}");
    let unit = plain.unit();
    assert!(started.stderr.contains(&format!("Job for {unit} failed")), "systemctl's text first: {started}");
    assert!(started.stderr.ends_with("failed to start container\n"), "{started}");
}

#[test]
fn a_system_that_hangs_is_killed_after_the_time_out_and_started_again() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    plain.configure(&format!("SYSTEM_PATH={}", build(&host, "hanging-boot")));
    plain.drop_in("[Service]\nTimeoutStartSec=2\n");
    let started = plain.tool("start").run();
    assert_eq!(started.code(), Some(1), "{started}");
    wait_until(LONG, "the unit is restarted", || {
        plain.property("NRestarts") != "0" && plain.property("ActiveState") == "activating"
    });
    assert_eq!(plain.tool("status").ok().stdout, "down\n", "activating is not up");
}

#[test]
fn killing_the_client_does_not_cancel_the_start() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let starting = plain.tool("start").spawn();
    wait_until(LONG, "the start is under way", || plain.property("ActiveState") != "inactive");
    starting.signal_group(rustix::process::Signal::KILL);
    starting.wait();
    wait_until(LONG, "the container is up all the same", || plain.property("ActiveState") == "active");
}

#[test]
fn a_degraded_system_counts_as_started() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    plain.configure(&format!("SYSTEM_PATH={}", build(&host, "degraded")));
    plain.tool("start").ok();
    assert_eq!(plain.tool("status").ok().stdout, "up\n");
    let state = plain.inside("systemctl is-system-running || true").stdout;
    assert_eq!(state, "degraded\n");
}

#[test]
fn the_start_limit_outlives_destroy_and_create_until_it_is_reset() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    // Longer than a slow machine takes for the attempts.
    plain.drop_in("[Unit]\nStartLimitIntervalSec=1h\n");
    plain.configure(&format!("SYSTEM_PATH={}", build(&host, "broken-boot")));
    plain.tool("start").run();
    wait_until(LONG, "systemd gives up", || plain.property("ActiveState") == "failed");
    plain.tool("destroy").ok();
    plain.create().ok();
    let refused = plain.tool("start").run();
    assert_eq!(refused.code(), Some(1), "a healthy system is refused, too: {refused}");
    host.command("systemctl").args(["reset-failed", &plain.unit()]).ok();
    plain.tool("start").ok();
}

#[test]
fn the_host_side_of_the_veth_comes_up_after_ready() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    // A unit of the guest, before READY, that asks whether the host can be reached.
    let probe = "[Unit]\nBefore=multi-user.target\n[Service]\nType=oneshot\n\
                 ExecStart=/bin/sh -c 'ping -c1 -W1 $HOST && echo reached >/root/probe || echo cut-off >/root/probe'\n";
    let probe = probe.replace("$HOST", &plain.host_address);
    host.write_file(&plain.path("/etc/systemd/system/probe.service"), probe, 0o644);
    let wants = plain.path("/etc/systemd/system/multi-user.target.wants");
    host.command("mkdir").args(["-p", &wants]).ok();
    host.command("ln").args(["-s", "/etc/systemd/system/probe.service", &wants]).ok();
    plain.tool("start").ok();
    assert_eq!(plain.inside("cat /root/probe").stdout, "cut-off\n");
    plain.inside(&format!("ping -c1 -W5 {}", plain.host_address));
}

#[test]
fn a_reboot_from_inside_restarts_the_unit() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let before = plain.property("MainPID");
    host.command("systemd-run").args(["-q", "-M", &plain.name, "--no-block", "systemctl", "reboot"]).run();
    wait_until(LONG, "another system runs", || {
        plain.property("ActiveState") == "active" && plain.property("MainPID") != before
    });
}

#[test]
fn a_power_off_from_inside_does_not_restart_the_unit() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    host.command("systemd-run").args(["-q", "-M", &plain.name, "--no-block", "systemctl", "poweroff"]).run();
    wait_until(LONG, "the unit is inactive", || plain.property("ActiveState") == "inactive");
    assert_eq!(plain.property("NRestarts"), "0");
}

/// The store path of one of the host's guest systems.
fn build(host: &TestHost, name: &str) -> String {
    let attribute =
        format!("path:/etc/berth/closures#nixosConfigurations.{name}.config.system.build.toplevel");
    let root = format!("/nix/var/nix/gcroots/berth-testhost/test-{name}");
    host.command("nix")
        .args([
            "--extra-experimental-features",
            "nix-command flakes",
            "build",
            "--out-link",
            &root,
            &attribute,
        ])
        .ok();
    host.command("readlink").arg(root).ok().stdout.trim_end().to_owned()
}
