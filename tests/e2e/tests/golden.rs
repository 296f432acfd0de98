//! What Berth's NixOS modules install, as those read it who read it on a host.

use std::fs;
use std::path::{Path, PathBuf};

use berth_testhost::TestHost;

/// Debian's, and one as current systems have it.
const CADDYS: [&str; 2] = ["/usr/bin/caddy", "/usr/lib/berth-testhost/caddy-2.11/caddy"];
/// The worst that `systemd-analyze security` may say of a unit, where 10 is all.
const EXPOSURES: [(&str, f32); 5] = [
    ("preview-webhook.service", 1.0),
    ("berthd.service", 4.5),
    ("berth-firewall.service", 3.0),
    ("berth-build-egress.service", 3.0),
    ("berth-services-address.service", 3.0),
];

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    let entries = fs::read_dir(folder).expect("golden files");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn every_caddyfile_is_taken_by_an_old_and_a_new_caddy() {
    let host = TestHost::shared();
    let mut seen = 0;
    for example in examples() {
        let Ok(text) = fs::read_to_string(example.join("Caddyfile")) else { continue };
        seen += 1;
        host.write_file("/run/golden-Caddyfile", text, 0o644);
        for caddy in CADDYS {
            let validate = ["validate", "--adapter", "caddyfile", "--config", "/run/golden-Caddyfile"];
            host.command(caddy).args(validate).env("HOME", "/run/golden-caddy").ok();
        }
    }
    assert!(seen > 1, "{seen} Caddyfiles");
    let broken = "{\n\tno_such_option\n}\n";
    host.write_file("/run/golden-Caddyfile", broken, 0o644);
    for caddy in CADDYS {
        let validate = ["validate", "--adapter", "caddyfile", "--config", "/run/golden-Caddyfile"];
        assert!(!host.command(caddy).args(validate).run().is_success(), "{caddy} takes everything");
    }
    host.command("rm").args(["-rf", "/run/golden-Caddyfile", "/run/golden-caddy"]).ok();
}

#[test]
fn no_unit_starts_while_tmp_is_cleared() {
    let host = TestHost::shared();
    for (unit, _) in EXPOSURES {
        let after = host.command("systemctl").args(["show", "-P", "After", unit]).ok().stdout;
        let is_ordered = |name: &str| after.split_whitespace().any(|before| before == name);
        // Which comes after the other.
        assert!(
            is_ordered("systemd-tmpfiles-setup.service") || is_ordered("basic.target"),
            "{unit}: {after}"
        );
    }
}

#[test]
fn units_are_as_closed_as_they_are_meant_to_be() {
    let host = TestHost::shared();
    for (unit, worst) in EXPOSURES {
        let told = host.command("systemd-analyze").args(["security", "--no-pager", unit]).ok().stdout;
        let line = told.lines().find(|line| line.contains("Overall exposure level")).expect("a level");
        let level = line.split_whitespace().find_map(|word| word.parse::<f32>().ok()).expect("a number");
        assert!(level <= worst, "{line}\n{told}");
    }
}
