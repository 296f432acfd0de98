//! What Berth's NixOS modules install, on Debian: the golden files of the
//! example `test-host`, with the paths of programs changed and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where each golden file goes; a folder with all that is in it.
const PLACES: [(&str, &str); 15] = [
    ("units/berthd.service", "etc/systemd/system/berthd.service"),
    ("units/preview-webhook.service", "etc/systemd/system/preview-webhook.service"),
    ("units/preview-webhook.socket", "etc/systemd/system/preview-webhook.socket"),
    ("units/preview-webhook-metrics.socket", "etc/systemd/system/preview-webhook-metrics.socket"),
    ("units/berth-firewall.service", "etc/systemd/system/berth-firewall.service"),
    ("units/berth-services-address.service", "etc/systemd/system/berth-services-address.service"),
    ("units/berth-build-egress.service", "etc/systemd/system/berth-build-egress.service"),
    ("build-egress.nft", "etc/berth-testhost/build-egress.nft"),
    ("Caddyfile", "etc/caddy/Caddyfile"),
    ("pg_hba.conf", "etc/postgresql/15/main/pg_hba.conf"),
    ("pg_ident.conf", "etc/postgresql/15/main/pg_ident.conf"),
    ("postgresql.conf", "etc/postgresql/15/main/conf.d/berth.conf"),
    ("sudoers", "etc/sudoers.d/berth"),
    ("sysctl.conf", "etc/sysctl.d/60-berth.conf"),
    ("tmpfiles.conf", "etc/tmpfiles.d/berth.conf"),
];

/// What Berth adds to units that the host has from elsewhere, as drop-ins: the
/// lines of the golden unit that begin so. `{}` is all of them.
const ADDED: [(&str, &str, &[&str]); 2] = [
    (
        "units/container@.service",
        "etc/systemd/system/container@.service.d/10-berth-guard.conf",
        // The list begins anew: the guard comes first.
        &["ExecStartPre=", "TimeoutStartSec="],
    ),
    (
        "units/caddy.service",
        "etc/systemd/system/caddy.service.d/10-berth.conf",
        &["RuntimeDirectory=", "RuntimeDirectoryMode="],
    ),
];

/// What is at another place on Debian, before programs are looked for.
const ELSEWHERE: [(&str, &str); 5] = [
    ("@build-egress.nft@", "/etc/berth-testhost/build-egress.nft"),
    (
        "@unit-script-container_-pre-start@/bin/container_-pre-start",
        "/usr/lib/berth-testhost/container/pre-start",
    ),
    (
        "/run/wrappers/bin:/run/current-system/sw/bin",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("/run/current-system/sw/bin/", "/usr/bin/"),
    // NixOS gives this group a fixed number.
    ("skgid 30000", "skgid nixbld"),
];

/// Lines about what only NixOS has.
const LEFT_OUT: [&str; 3] = ["X-", "Environment=\"LOCALE_ARCHIVE=", "Environment=\"TZDIR="];

/// A file for the root of the host.
pub(crate) struct Placed {
    path: &'static str,
    text: String,
}

/// All of them, for a host whose programs are in this file system.
pub(crate) fn placed(base: &Path) -> Result<Vec<Placed>> {
    let mut all = Vec::new();
    for (name, path) in PLACES {
        all.push(Placed { path, text: on_debian(&read(name)?, base).with_context(|| name.to_owned())? });
    }
    for (name, path, begins) in ADDED {
        let unit = on_debian(&read(name)?, base).with_context(|| name.to_owned())?;
        all.push(Placed { path, text: drop_in(&unit, begins) });
    }
    Ok(all)
}

/// Writes them below a folder.
pub(crate) fn write(files: &[Placed], folder: &Path) -> Result<()> {
    for Placed { path, text } in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a file in a folder"))?;
        fs::write(&path, text).with_context(|| format!("could not write `{}`", path.display()))?;
        let mode = if path.ends_with("etc/sudoers.d/berth") { 0o440 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// What tells one set of files from another.
pub(crate) fn identity(files: &[Placed]) -> String {
    files.iter().map(|Placed { path, text }| format!("{path}\n{}\n{text}", text.len())).collect()
}

fn read(name: &str) -> Result<String> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../golden/test-host")).join(name);
    fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))
}

/// The text with Debian's paths.
fn on_debian(text: &str, base: &Path) -> Result<String> {
    let is_kept = |line: &&str| !LEFT_OUT.iter().any(|begin| line.starts_with(begin));
    let mut changed = String::new();
    for line in text.lines().filter(is_kept) {
        let mut line = line.to_owned();
        for (from, to) in ELSEWHERE {
            line = line.replace(from, to);
        }
        changed += &with_programs(&line, base)?;
        changed.push('\n');
    }
    Ok(changed)
}

/// The line with `@PACKAGE@/bin/PROGRAM` where Debian has that program.
fn with_programs(line: &str, base: &Path) -> Result<String> {
    let mut changed = String::new();
    let mut rest = line;
    while let Some((before, mark, after)) = next_mark(rest) {
        changed += before;
        let bin = ["/bin", "/sbin"].into_iter().find(|bin| after.starts_with(bin));
        let bin = bin.with_context(|| format!("`@{mark}@` is nothing that Debian has: `{line}`"))?;
        rest = &after[bin.len()..];
        if let Some(program) = rest.strip_prefix('/') {
            let end = program.find([' ', ':', ',', '"']).unwrap_or(program.len());
            let is_there = |folder: &&str| base.join(folder).join(&program[..end]).exists();
            // Berth's own programs come later.
            let folder = ["usr/bin", "usr/sbin"].into_iter().find(is_there).unwrap_or("usr/bin");
            changed += &format!("/{folder}");
        } else {
            changed += &format!("/usr{bin}");
        }
    }
    ensure!(!rest.contains("/nix/store/"), "a path of a store: `{line}`");
    Ok(changed + rest)
}

/// The next `@NAME@` with what is before and after it.
fn next_mark(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('@')?;
    match rest.split_once('@') {
        Some((name, after)) if after.starts_with('/') && !name.contains([' ', ':']) => {
            Some((before, name, after))
        }
        // An instance (`container@`) or a group of system calls (`@mount`).
        _ => next_mark(rest)
            .map(|(skipped, name, after)| (&text[..before.len() + 1 + skipped.len()], name, after)),
    }
}

/// A drop-in of the lines that begin so; a list begins anew.
fn drop_in(unit: &str, begins: &[&str]) -> String {
    let mut text = "[Service]\n".to_owned();
    for begin in begins {
        if begin.starts_with("Exec") {
            text += &format!("{begin}\n");
        }
        for line in unit.lines().filter(|line| line.starts_with(begin)) {
            text += &format!("{line}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> tempfile::TempDir {
        let base = tempfile::tempdir().expect("a folder");
        for (folder, name) in [("usr/bin", "ip"), ("usr/sbin", "nft")] {
            fs::create_dir_all(base.path().join(folder)).expect("a folder");
            fs::write(base.path().join(folder).join(name), "").expect("a file");
        }
        base
    }

    #[test]
    fn programs_are_where_debian_has_them() {
        let base = base();
        for (nixos, debian) in [
            ("ExecStart=-@iproute2@/bin/ip link", "ExecStart=-/usr/bin/ip link"),
            (
                "ExecStart=@nftables@/bin/nft -f @build-egress.nft@",
                "ExecStart=/usr/sbin/nft -f /etc/berth-testhost/build-egress.nft",
            ),
            ("ExecStart=@berth@/bin/berthd", "ExecStart=/usr/bin/berthd"),
            ("Environment=\"PATH=@a@/bin:@b-c@/sbin\"", "Environment=\"PATH=/usr/bin:/usr/sbin\""),
            (
                "NOPASSWD: /run/current-system/sw/bin/agent, NOPASSWD: @berth@/bin/agent",
                "NOPASSWD: /usr/bin/agent, NOPASSWD: /usr/bin/agent",
            ),
            ("SystemCallFilter=@system-service @mount", "SystemCallFilter=@system-service @mount"),
            ("Wants=container@x.service @y@/bin/z", "Wants=container@x.service /usr/bin/z"),
        ] {
            assert_eq!(on_debian(nixos, base.path()).expect(nixos).trim_end(), debian);
        }
    }

    #[test]
    fn what_debian_has_not_is_refused() {
        let base = base();
        assert!(on_debian("ExecStart=@unit-script-x@/lib/x", base.path()).is_err());
        assert!(on_debian("ExecStart=/nix/store/x", base.path()).is_err());
    }

    #[test]
    fn the_guard_is_first_in_the_drop_in_of_containers() {
        let all = placed(base().path()).expect("golden files");
        let guard = all.iter().find(|one| one.path.ends_with("10-berth-guard.conf")).expect("a drop-in");
        let commands: Vec<&str> = guard.text.lines().filter(|line| line.starts_with("Exec")).collect();
        assert_eq!(
            commands,
            [
                "ExecStartPre=",
                "ExecStartPre=/usr/bin/berth-guard %i",
                "ExecStartPre=/usr/lib/berth-testhost/container/pre-start"
            ]
        );
    }
}
