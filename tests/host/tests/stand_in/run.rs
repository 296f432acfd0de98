//! `run` goes around the sandbox; `systemd-run -M` does not.

use berth_testhost::TestHost;

use crate::plain::Plain;

#[test]
fn run_passes_the_commands_own_code() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    for (command, code) in [("exit 0", 0), ("exit 42", 42), ("no-such-command", 127)] {
        let output = plain.tool("run").args(["--", "sh", "-c", command]).run();
        assert_eq!(output.code(), Some(code), "{output}");
    }
    for (signal, code) in [("TERM", 143), ("KILL", 137)] {
        let output = plain.tool("run").args(["--", "sh", "-c", &format!("kill -{signal} $$")]).run();
        assert_eq!(output.code(), Some(code), "{output}");
    }
}

#[test]
fn run_on_a_stopped_container_is_code_1() {
    let host = TestHost::shared();
    let plain = Plain::created(&host);
    let output = plain.tool("run").args(["--", "true"]).run();
    assert_eq!(output.code(), Some(1), "{output}");
    assert!(output.stderr.contains("Could not get path to machine"), "{output}");
}

#[test]
fn run_leaves_the_sandbox() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let status = plain.tool("run").args(["--", "cat", "/proc/self/status"]).ok().stdout;
    assert_eq!(field(&status, "Seccomp"), "0");
    let host_bounding = field(&host.command("cat").arg("/proc/self/status").ok().stdout, "CapBnd");
    assert_eq!(field(&status, "CapBnd"), host_bounding, "the host's bounding set");
    let groups = plain.tool("run").args(["--", "cat", "/proc/self/cgroup"]).ok().stdout;
    assert!(groups.lines().any(|line| line == "0::/init.scope"), "the caller's cgroup: {groups}");
}

#[test]
fn run_swallows_the_callers_input() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let script =
        format!("while read -r line; do echo \"got $line\"; nixos-container run {} -- cat; done", plain.name);
    let output = host.shell(&script).stdin("one\ntwo\n").ok();
    assert_eq!(output.stdout, "got one\ntwo\n", "the loop never sees its second line");
}

#[test]
fn systemd_run_stays_in_the_sandbox() {
    let host = TestHost::shared();
    let plain = Plain::started(&host);
    let inside = plain.inside("cat /proc/self/status").stdout;
    let first = plain.inside("cat /proc/1/status").stdout;
    assert_eq!(field(&inside, "Seccomp"), "2");
    assert_eq!(field(&inside, "CapBnd"), field(&first, "CapBnd"));
    let host_bounding = field(&host.command("cat").arg("/proc/self/status").ok().stdout, "CapBnd");
    assert_ne!(field(&inside, "CapBnd"), host_bounding);
}

/// A field of `/proc/PID/status`.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find(|line| line.split(':').next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
        .split_whitespace()
        .nth(1)
        .expect("a value")
        .to_owned()
}
