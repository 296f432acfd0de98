//! The paths below a root that host root touches at a start.
//!
//! Read from three sources: the start script of the NixOS module as of 25.05
//! ("older"), the same as of mid-2026 ("newer"), and systemd-nspawn 252 to 260
//! up to the point where it makes the root its own (`outer_child` in
//! `nspawn.c`). Until then a symlink in the root leads into the *host*.
//!
//! Not in the list, with the reason:
//!
//! - Names that nspawn only replaces: `etc/localtime` is unlinked and made
//!   anew; its resolv.conf handling is off with a private network.
//! - `bin`, `sbin`, `lib`, `lib64`: nspawn asks whether they exist without
//!   following them, and makes them in a handle of the root.
//! - The change of ownership of the whole tree: by handles, without following.
//! - Hard links to host files, which would be changed in place: container root
//!   cannot make one. link(2) refuses to cross mounts (`EXDEV`), also for an
//!   open file of the host that somebody passed in, and the root is a mount of
//!   its own inside, even on the same file system.
//! - The journal link `/var/log/journal/<machine id>` on the host: its name
//!   comes from the container's `etc/machine-id`. nspawn refuses the host's own
//!   id, and otherwise only replaces a symlink or an empty folder there.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use berth_core::{ContainerName, Layout};
use berth_rooted::{Kind, RootDir, RootedError};
use thiserror::Error;

/// What a path must be, unless it is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// A directory.
    BeDirectory,
    /// A regular file.
    BeFile,
    /// A regular file, or the symlink that systems make of themselves: see
    /// [`OS_RELEASE_LINKS`].
    BeOsRelease,
}

impl Must {
    fn words(self) -> &'static str {
        match self {
            Self::BeDirectory => "a directory",
            Self::BeFile => "a regular file",
            Self::BeOsRelease => "a regular file or the system's own symlink",
        }
    }

    fn allows(self, kind: &Kind) -> bool {
        match self {
            Self::BeDirectory => *kind == Kind::Directory,
            Self::BeFile => *kind == Kind::Regular,
            Self::BeOsRelease => match kind {
                Kind::Regular => true,
                Kind::Symlink(target) => OS_RELEASE_LINKS.iter().any(|link| target.as_os_str() == *link),
                Kind::Directory | Kind::Fifo | Kind::Socket | Kind::Device => false,
            },
        }
    }
}

/// Symlinks that `etc/os-release` may be. The older script asks whether it
/// exists, following it on the host, and touches it when not.
///
/// - NixOS links to `/etc/static/os-release`. On a NixOS host that exists, in
///   the store, so nothing is touched; elsewhere `/etc/static` does not exist,
///   so that nothing can be made there.
/// - Others link to `../usr/lib/os-release`, which stays in the root: `usr`,
///   `usr/lib` and the file are in the list.
pub const OS_RELEASE_LINKS: [&str; 2] = ["/etc/static/os-release", "../usr/lib/os-release"];

/// One path, what it must be, and what host root does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The path below the root.
    pub path: &'static str,
    /// What it must be, unless absent.
    pub must: Must,
    /// What would happen.
    pub why: &'static str,
}

const fn directory(path: &'static str, why: &'static str) -> Rule {
    Rule { path, must: Must::BeDirectory, why }
}

const fn file(path: &'static str, why: &'static str) -> Rule {
    Rule { path, must: Must::BeFile, why }
}

const SCRIPT_MAKES: &str = "the start script makes it and sets its mode";
const NSPAWN_MOUNTS: &str = "systemd-nspawn mounts here and makes files in it";
const NSPAWN_BINDS: &str = "systemd-nspawn makes mount points in it";
const NSPAWN_JOURNAL: &str = "systemd-nspawn makes the journal's folders in it";

/// Every path, parents before children.
pub const RULES: &[Rule] = &[
    // Start script, both: mkdir, then (newer) chmod, which follows symlinks
    // and an existing folder alike.
    directory("etc", SCRIPT_MAKES),
    directory("var", SCRIPT_MAKES),
    directory("var/lib", SCRIPT_MAKES),
    directory("var/lib/private", SCRIPT_MAKES),
    directory("root", SCRIPT_MAKES),
    // Newer script: mkdir -p. nspawn: asks for it.
    directory("usr", SCRIPT_MAKES),
    directory("usr/bin", SCRIPT_MAKES),
    // Older script: touch follows os-release's symlink to here.
    directory("usr/lib", "the start script reaches os-release through it"),
    file("usr/lib/os-release", "the start script may touch it through etc/os-release"),
    // Both: touch, after an -e that follows.
    Rule { path: "etc/os-release", must: Must::BeOsRelease, why: "the start script touches it" },
    // Both: touch. nspawn: reads it, and would wait for ever at a FIFO.
    file("etc/machine-id", "the start script touches it and systemd-nspawn reads it"),
    // Older script always, newer with COPY_RESOLV_CONF: cp
    // --remove-destination removes a symlink to a file, but copies *into* a
    // folder when the symlink leads to one. nspawn: Berth binds a file here.
    file("etc/resolv.conf", "the start script copies over it, or into it"),
    // nspawn, setup_journal: mkdir and chown, path by path.
    directory("var/log", NSPAWN_JOURNAL),
    directory("var/log/journal", NSPAWN_JOURNAL),
    // nspawn: finds each mount point within the root, but then makes device
    // nodes, links and folders by the plain path. Measured with 252: with
    // `dev` or `run` a symlink, they appeared in the host folder it led to.
    directory("dev", NSPAWN_MOUNTS),
    directory("run", NSPAWN_MOUNTS),
    directory("proc", NSPAWN_MOUNTS),
    directory("sys", NSPAWN_MOUNTS),
    directory("tmp", NSPAWN_MOUNTS),
    // nspawn: destinations of the script's binds. Found within the root by all
    // versions that Berth knows; no system needs symlinks here, so none is let
    // pass.
    directory("nix", NSPAWN_BINDS),
    directory("nix/store", NSPAWN_BINDS),
    directory("nix/var", NSPAWN_BINDS),
    directory("nix/var/nix", NSPAWN_BINDS),
    directory("nix/var/nix/db", NSPAWN_BINDS),
    directory("nix/var/nix/daemon-socket", NSPAWN_BINDS),
    directory("nix/var/nix/profiles", NSPAWN_BINDS),
    directory("nix/var/nix/gcroots", NSPAWN_BINDS),
];

/// Why a root must not be started.
#[derive(Debug, Error)]
pub enum PathRefusal {
    /// Something else stands where host root will work.
    #[error(
        "`{path}` is {found}; it must be {must} or absent, because {why} as host root; remove it, or destroy the container",
        path = path.display(), must = must.words()
    )]
    Planted {
        /// The path on the host.
        path: PathBuf,
        /// What stands there.
        found: Kind,
        /// What must stand there.
        must: Must,
        /// What host root would do.
        why: &'static str,
    },
    /// Users of the host could reach set-uid files of container root.
    #[error("`{path}` must be a directory of root with mode 0700, not {found}; run `chmod 0700 {path}`", path = path.display())]
    OpenFolder {
        /// The folder around what containers can write to.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// The root, or something in it, could not be looked at.
    #[error(transparent)]
    Rooted(#[from] RootedError),
}

/// Looks at every path and returns all that is wrong.
pub fn check(layout: &Layout, name: ContainerName) -> Vec<PathRefusal> {
    let mut refusals: Vec<PathRefusal> =
        layout.writable_from_inside().into_iter().filter_map(open_folder).collect();
    match RootDir::open(&layout.container_roots_dir(), &name.to_string()) {
        Err(error) => refusals.push(error.into()),
        Ok(root) => check_rules(&root, &mut refusals),
    }
    refusals
}

fn check_rules(root: &RootDir, refusals: &mut Vec<PathRefusal>) {
    for rule in RULES {
        match root.look(rule.path) {
            // Of what blocks the way the parent's rule has told: it came first.
            Ok(None) | Err(RootedError::Blocked { .. }) => {}
            Ok(Some(found)) if rule.must.allows(&found) => {}
            Ok(Some(found)) => {
                let path = root.path().join(rule.path);
                refusals.push(PathRefusal::Planted { path, found, must: rule.must, why: rule.why });
            }
            Err(error) => refusals.push(error.into()),
        }
    }
}

fn open_folder(path: PathBuf) -> Option<PathRefusal> {
    let found = match std::fs::symlink_metadata(&path) {
        Err(error) => error.to_string(),
        Ok(meta) if !meta.is_dir() => "something else".to_owned(),
        Ok(meta) if meta.uid() != 0 => format!("one of user {}", meta.uid()),
        Ok(meta) if meta.mode() & 0o7777 != 0o700 => format!("one with mode {:04o}", meta.mode() & 0o7777),
        Ok(_) => return None,
    };
    Some(PathRefusal::OpenFolder { path, found })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn parents_come_before_children_and_none_is_missing() {
        for (index, rule) in RULES.iter().enumerate() {
            let parent = Path::new(rule.path).parent().unwrap();
            if parent != Path::new("") {
                let listed =
                    RULES[..index].iter().any(|r| Path::new(r.path) == parent && r.must == Must::BeDirectory);
                assert!(listed, "{}", rule.path);
            }
        }
    }
}
