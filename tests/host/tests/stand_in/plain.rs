//! A container made without Berth, gone at the end of its test.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use berth_testhost::{HostCommand, Output, TestHost};

/// The closure that the host keeps for such containers.
pub(crate) const CLOSURE: &str = "/nix/var/nix/gcroots/berth-testhost/plain";

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A name for a container that Berth must leave alone, and a pair of addresses.
pub(crate) struct Plain<'h> {
    host: &'h TestHost,
    pub(crate) name: String,
    pub(crate) host_address: String,
    pub(crate) address: String,
}

impl<'h> Plain<'h> {
    /// Only the name and the addresses; nothing is made.
    pub(crate) fn unmade(host: &'h TestHost) -> Self {
        install_guard_if_missing(host);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = process::id();
        Self {
            host,
            name: format!("op-{:x}-{number:x}", process % 0xffff),
            host_address: format!("10.99.{}.{}", process % 250, 2 * number),
            address: format!("10.99.{}.{}", process % 250, 2 * number + 1),
        }
    }

    /// Created and stopped.
    pub(crate) fn created(host: &'h TestHost) -> Self {
        let plain = Self::unmade(host);
        plain.create().ok();
        plain
    }

    /// Created and started.
    pub(crate) fn started(host: &'h TestHost) -> Self {
        let plain = Self::created(host);
        plain.tool("start").ok();
        plain
    }

    pub(crate) fn create(&self) -> HostCommand<'h> {
        self.tool("create").args([
            "--system-path",
            CLOSURE,
            "--host-address",
            &self.host_address,
            "--local-address",
            &self.address,
        ])
    }

    /// `nixos-container VERB NAME`.
    pub(crate) fn tool(&self, verb: &str) -> HostCommand<'h> {
        self.host.command("nixos-container").args([verb, &self.name])
    }

    /// Runs a command inside, within the sandbox.
    pub(crate) fn inside(&self, script: &str) -> Output {
        self.host
            .command("systemd-run")
            .args(["-q", "-M", &self.name, "--pipe", "--wait", "--collect"])
            .args(["--", "/bin/sh", "-c", script])
            .ok()
    }

    /// Adds a line to the configuration file.
    pub(crate) fn configure(&self, line: &str) {
        let path = self.configuration();
        self.host.shell(&format!("echo '{line}' >>{path}")).ok();
    }

    pub(crate) fn configuration(&self) -> String {
        format!("/etc/nixos-containers/{}.conf", self.name)
    }

    /// A path in the container's root, as the host sees it.
    pub(crate) fn path(&self, inside: &str) -> String {
        format!("/var/lib/nixos-containers/{}{inside}", self.name)
    }

    pub(crate) fn unit(&self) -> String {
        format!("container@{}.service", self.name)
    }

    /// One property of the unit.
    pub(crate) fn property(&self, name: &str) -> String {
        let shown = self.host.command("systemctl").args(["show", "--value", "-p", name, &self.unit()]).ok();
        shown.stdout.trim_end().to_owned()
    }

    /// Changes directives of the unit.
    pub(crate) fn drop_in(&self, text: &str) {
        let path = format!("/run/systemd/system/{}.d/test.conf", self.unit());
        self.host.write_file(&path, text, 0o644);
        self.host.command("systemctl").arg("daemon-reload").ok();
    }
}

impl Drop for Plain<'_> {
    fn drop(&mut self) {
        let script = r#"
            # Again and again: a container that starts is no machine yet, and
            # one that hangs ends for nothing else before its unit's time-out.
            # Not nspawn itself: killed, it would leave its locks.
            systemctl stop --no-block "container@$1"
            until systemctl show -P ActiveState "container@$1" | grep -qxE 'inactive|failed'; do
              machinectl kill --kill-whom=leader --signal=KILL "$1" 2>/dev/null
              sleep 0.1
            done
            systemctl reset-failed "container@$1" 2>/dev/null
            chattr -R -f -i "/var/lib/nixos-containers/$1"
            rm -rf "/var/lib/nixos-containers/$1" "/etc/nixos-containers/$1.conf" \
              "/nix/var/nix/profiles/per-container/$1" "/nix/var/nix/gcroots/per-container/$1" \
              "/run/systemd/system/container@$1.service.d"
            find /var/log/journal -maxdepth 1 -lname "/var/lib/nixos-containers/$1/*" -delete
        "#;
        self.host
            .command("bash")
            .args(["-c", script, "bash", &self.name])
            .deadline(Duration::from_mins(1))
            .run();
    }
}

/// Nothing starts without a guard; where Berth's is not installed, one that
/// agrees to all will do.
fn install_guard_if_missing(host: &TestHost) {
    if !host.exists("/usr/bin/berth-guard") {
        host.write_file("/usr/bin/berth-guard", "#!/bin/sh\nexit 0\n", 0o755);
    }
}
