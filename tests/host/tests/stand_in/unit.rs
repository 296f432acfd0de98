//! The unit's directives.

use berth_testhost::TestHost;

use crate::plain::Plain;

#[test]
fn the_unit_has_the_directives_of_the_real_one() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let expected = [
        ("Type", "notify"),
        ("KillMode", "mixed"),
        ("KillSignal", "15"),
        ("Delegate", "yes"),
        ("Slice", "machine.slice"),
        ("DevicePolicy", "closed"),
        ("Restart", "on-failure"),
        ("RestartForceExitStatus", "133"),
        ("SuccessExitStatus", "133"),
        ("TimeoutStartUSec", "2min 30s"), // one minute without Berth
        ("SyslogIdentifier", &format!("container {}", plain.name)),
    ];
    for (name, value) in expected {
        assert_eq!(plain.property(name), value, "{name}");
    }
}

#[test]
fn the_guard_runs_before_anything_else() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let commands = host.command("systemctl").args(["show", "-p", "ExecStartPre", &plain.unit()]).ok().stdout;
    let paths: Vec<_> =
        commands.lines().filter_map(|line| line.split("path=").nth(1)?.split(' ').next()).collect();
    assert_eq!(paths, ["/usr/bin/berth-guard", "/usr/lib/berth-testhost/container/pre-start"]);
}

#[test]
fn properties_are_set_on_an_unloaded_unit_and_reverted() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    host.command("systemctl").args(["set-property", &plain.unit(), "MemoryMax=1G"]).ok();
    assert_eq!(plain.property("MemoryMax"), "1073741824");
    let folder = format!("/etc/systemd/system.control/{}.d", plain.unit());
    assert!(host.exists(&folder));
    host.command("systemctl").args(["revert", &plain.unit()]).ok();
    assert!(!host.exists(&folder));
    assert_eq!(plain.property("MemoryMax"), "infinity");
}
