//! The inventory sees what could be left: each kind is planted and found.

use std::time::Duration;

use berth_testhost::{OwnHost, wait_until};

/// What to plant, and the kind under which it must be found.
const PLANTS: [(&str, &str); 23] = [
    ("configuration", "touch /etc/nixos-containers/a1.conf"),
    ("root", "mkdir /var/lib/nixos-containers/a2"),
    ("container's profiles", "mkdir -p /nix/var/nix/profiles/per-container/a3"),
    ("container's gcroots", "mkdir -p /nix/var/nix/gcroots/per-container/a4"),
    ("interface", "ip link add ve-a5 type veth peer name peer5"),
    ("address", "ip address add 10.100.0.12/32 dev wan0"),
    ("route", "ip route add 10.100.0.15 dev wan0"),
    ("unit property", "systemctl set-property container@a8.service MemoryMax=1G"),
    ("lock", "mkdir -p /run/berth/lock && touch /run/berth/lock/a9"),
    ("runtime file", "mkdir -p /run/berth/known-hosts && touch /run/berth/known-hosts/a10"),
    ("journal link", "ln -s /var/lib/nixos-containers/a11/var/log/journal/x /var/log/journal/0123"),
    (
        "firewall element",
        "nft 'add table inet berth; add set inet berth sources { type ifname . ipv4_addr; }; \
         add element inet berth sources { \"ve-a12\" . 10.100.0.25 }'",
    ),
    ("transient unit", "systemd-run -q --unit=berth-planted sleep infinity"),
    ("temporary file", "touch /tmp/berth-planted"),
    ("gc root", "mkdir -p /var/lib/berth/gcroots && ln -s /nix/store/old /var/lib/berth/gcroots/closure-1"),
    ("route file", "mkdir -p /var/lib/berth/caddy/routes && touch /var/lib/berth/caddy/routes/3.caddy"),
    ("good route file", "mkdir -p /var/lib/berth/caddy/good && touch /var/lib/berth/caddy/good/3.caddy"),
    ("password", "mkdir -p /var/lib/berth/secrets && touch /var/lib/berth/secrets/berth_d3"),
    ("source repository", "mkdir -p /var/lib/berth/sources/d3.git.new"),
    ("mirror", "mkdir -p /var/lib/berth/mirrors/2.git"),
    ("role", "psql -qU berth postgres -c 'CREATE ROLE berth_d3'"),
    ("database", "psql -qU berth postgres -c 'CREATE DATABASE berth_d3 OWNER berth'"),
    ("failed unit", "systemd-run -q --wait --unit=berth-git-planted false || :"),
];

#[test]
fn a_fresh_host_is_clean_and_each_planted_thing_is_found() {
    let host = OwnHost::boot("leftovers").expect("a host boots");
    host.assert_clean();
    host.command("systemctl").args(["start", "postgresql"]).ok();
    host.assert_clean();
    for (kind, plant) in PLANTS {
        assert!(!host.leftovers().kinds().contains(kind), "nothing of kind {kind} is there yet");
        host.shell(plant).ok();
        let found = host.leftovers();
        assert!(found.kinds().contains(kind), "a planted {kind} is found among\n{found}");
    }
}

#[test]
fn a_container_in_any_state_is_found() {
    let host = OwnHost::boot("leftover-units").expect("a host boots");
    host.write_file("/usr/bin/berth-guard", "#!/bin/sh\nexit 0\n", 0o755);
    host.command("nixos-container")
        .args(["create", "a7", "--system-path", "/nix/var/nix/gcroots/berth-testhost/plain"])
        .args(["--host-address", "10.100.0.14", "--local-address", "10.100.0.15"])
        .ok();
    host.command("nixos-container").args(["start", "a7"]).ok();
    let kinds: Vec<_> = host.leftovers().iter().map(|thing| thing.kind.clone()).collect();
    for kind in ["unit", "machine", "processes", "interface", "address", "route", "root", "configuration"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
    }

    host.command("nixos-container").args(["destroy", "a7"]).ok();
    host.shell("find /var/log/journal -lname '*a7*' -delete").ok();
    host.assert_clean();

    // A unit without files: nothing but its failure is left.
    host.command("systemctl").args(["start", "container@a7"]).run();
    wait_until(Duration::from_mins(1), "systemd gives up", || {
        host.command("systemctl").args(["is-failed", "container@a7"]).run().is_success()
    });
    let found = host.leftovers();
    assert!(found.iter().any(|thing| thing.what.contains("failed")), "{found}");
}

#[test]
fn records_explain_their_containers_things_only() {
    let host = OwnHost::boot("leftover-records").expect("a host boots");
    let records = r#"[{"name": "one", "container": "a1", "closure": "/nix/store/abc-system"}]"#;
    host.write_file("/usr/bin/agent", format!("#!/bin/sh\necho '{records}'\n"), 0o755);
    host.shell("mkdir /var/lib/nixos-containers/a1 /var/lib/nixos-containers/a2").ok();
    let found = host.leftovers();
    let what: Vec<_> = found.iter().map(|thing| thing.what.as_str()).collect();
    assert_eq!(what, ["/var/lib/nixos-containers/a2"]);
}
