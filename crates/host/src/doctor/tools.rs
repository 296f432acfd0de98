//! The programs that Berth calls, and their versions.

use super::Finding;
use crate::exec::{self, Invocation};

const CHECK: &str = "tools";
const SYSTEMD: &str = "systemd";

/// What Berth calls, and what for.
const TOOLS: [(&str, &str); 10] = [
    ("nixos-container", "set `boot.enableContainers = true`"),
    ("systemctl", "Berth needs a host that systemd runs"),
    ("systemd-run", "Berth needs a host that systemd runs"),
    ("systemd-nspawn", "install systemd-container"),
    ("machinectl", "install systemd-container"),
    ("journalctl", "Berth needs a host that systemd runs"),
    ("nft", "install nftables"),
    ("ip", "install iproute2"),
    ("nix", "install Nix"),
    ("ssh", "install the OpenSSH client"),
];

/// The oldest systemd whose `systemd-run -M` and `--json` Berth was tried with.
const OLDEST: Version = (252, 0);

pub(super) async fn check() -> Vec<Finding> {
    let missing = TOOLS.iter().filter(|(tool, _)| exec::find(tool).is_none());
    let mut findings: Vec<Finding> = missing
        .map(|(tool, way_out)| Finding::error(CHECK, format!("`{tool}` is not installed"), *way_out))
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("all {} programs that Berth calls are there", TOOLS.len())));
    }
    findings.push(systemd().await);
    findings
}

async fn systemd() -> Finding {
    match Invocation::new("systemctl").arg("--version").aim("ask systemd for its version").run().await {
        Ok(output) => judge(&output.stdout.text()),
        Err(error) => Finding::unknown(SYSTEMD, &error),
    }
}

type Version = (u32, u32);

fn judge(text: &str) -> Finding {
    let Some(version) = parse(text) else {
        return Finding::warning(SYSTEMD, "its version could not be read", "check `systemctl --version`");
    };
    let (major, minor) = version;
    if version < OLDEST {
        return Finding::error(
            SYSTEMD,
            format!("systemd {major} is too old"),
            "upgrade to systemd 252 or newer",
        );
    }
    if has_cve_2026_40226(version) {
        return Finding::warning(
            SYSTEMD,
            format!(
                "systemd {major}.{minor} has CVE-2026-40226 (escape through a settings file); \
                 Berth's containers are started with `--settings=no`, others on this host may not be"
            ),
            "upgrade to 257.12, 258.6, 259.4, 260 or newer",
        );
    }
    Finding::ok(SYSTEMD, format!("systemd {major}.{minor}"))
}

/// The first line reads `systemd 252 (252.39-1~deb12u1)`.
fn parse(text: &str) -> Option<Version> {
    let line = text.lines().next()?.strip_prefix("systemd ")?;
    let (major, rest) = line.split_once(' ').unwrap_or((line, ""));
    let major: u32 = major.parse().ok()?;
    let minor = rest
        .strip_prefix(&format!("({major}."))
        .map_or("0", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("0"));
    Some((major, minor.parse().unwrap_or(0)))
}

/// Versions 233 to 259 but for the fixed ones.
fn has_cve_2026_40226((major, minor): Version) -> bool {
    let first_fixed_minor = match major {
        233..=256 => return true,
        257 => 12,
        258 => 6,
        259 => 4,
        _ => return false,
    };
    minor < first_fixed_minor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        for (text, version) in [
            ("systemd 252 (252.39-1~deb12u1)\n+PAM", Some((252, 39))),
            ("systemd 257 (257.12)\n", Some((257, 12))),
            ("systemd 260 (260)\n", Some((260, 0))),
            ("systemd 260\n", Some((260, 0))),
            ("systemd v260~rc1", None),
            ("", None),
        ] {
            assert_eq!(parse(text), version, "{text:?}");
        }
    }

    #[test]
    fn the_escape_is_told_for_exactly_the_versions_that_have_it() {
        for (version, has) in [
            ((232, 0), false),
            ((233, 0), true),
            ((252, 39), true),
            ((257, 11), true),
            ((257, 12), false),
            ((258, 5), true),
            ((258, 6), false),
            ((259, 3), true),
            ((259, 4), false),
            ((260, 0), false),
        ] {
            assert_eq!(has_cve_2026_40226(version), has, "{version:?}");
        }
    }
}
