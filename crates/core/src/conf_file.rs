//! The configuration file that nixos-container keeps for each container.
//!
//! systemd reads it as an `EnvironmentFile`, and the start script expands
//! `EXTRA_NSPAWN_FLAGS` unquoted: words split and globs expand. So there is one
//! encoder, [`ContainerConf::render`], and every value it writes is of a type
//! whose alphabet needs no quoting in either reader.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AddressPair, StorePath, gpu};

/// How the files of a root get their owner in the user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// Mapped where the file system can, else changed.
    #[default]
    Auto,
    /// Mapped by the mount: files keep the container's own ids on the host.
    Map,
    /// Changed on disk at the first start: slower, for file systems that
    /// cannot map.
    Chown,
}

impl Ownership {
    /// The word that systemd-nspawn uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Map => "map",
            Self::Chown => "chown",
        }
    }
}

/// One option for systemd-nspawn, made only of characters that neither a shell
/// nor systemd treats as special.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NspawnFlag(String);

/// An option that the start script would split, expand or misread.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` cannot be an nspawn option: it must begin with `--` and have only `A-Z a-z 0-9 _ . / : = , @ + -`"
)]
pub struct FlagError(String);

impl NspawnFlag {
    /// Takes `flag` if no reader can misunderstand it.
    pub fn new(flag: impl Into<String>) -> Result<Self, FlagError> {
        let flag = flag.into();
        let is_safe = |b: u8| b.is_ascii_alphanumeric() || b"_./:=,@+-".contains(&b);
        if flag.len() > 2 && flag.starts_with("--") && flag.bytes().all(is_safe) {
            Ok(Self(flag))
        } else {
            Err(FlagError(flag.escape_debug().to_string()))
        }
    }

    /// Binds `source` read-only to `target`, seen inside with its own ids.
    pub fn bind_read_only(source: &Path, target: &str) -> Result<Self, FlagError> {
        Self::new(format!("--bind-ro={}:{target}", source.display()))
    }

    /// Binds `path` read-only to the same path inside, where its owner on the
    /// host is the container's root.
    pub fn bind_root_owned(path: &Path) -> Result<Self, FlagError> {
        Self::new(format!("--bind-ro={path}:{path}:rootidmap", path = path.display()))
    }
}

impl fmt::Display for NspawnFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All that Berth says about a container to nixos-container and nspawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerConf {
    /// Its addresses.
    pub addresses: AddressPair,
    /// The system it boots. `SYSTEM_PATH`, because the per-container profile
    /// is writable from inside.
    pub system: StorePath,
    /// How its files get their owner.
    pub ownership: Ownership,
    /// Further options, such as binds.
    pub flags: Vec<NspawnFlag>,
}

impl ContainerConf {
    /// The text of the file.
    ///
    /// User namespaces are asked for twice: newer start scripts know
    /// `PRIVATE_USERS` and then map the store's owners too, older ones only
    /// pass the flags on. `--settings=no` keeps nspawn from reading an
    /// optional settings file beside the root (CVE-2026-40226).
    pub fn render(&self) -> String {
        let mut flags = format!(
            "--settings=no --private-users=pick --private-users-ownership={}",
            self.ownership.as_str()
        );
        for flag in &self.flags {
            write!(flags, " {flag}").expect("writing to a string succeeds");
        }
        let AddressPair { host, container } = self.addresses;
        format!(
            "PRIVATE_NETWORK=1\n\
             HOST_ADDRESS={host}\n\
             LOCAL_ADDRESS={container}\n\
             HOST_BRIDGE=\n\
             HOST_PORT=\n\
             AUTO_START=0\n\
             COPY_RESOLV_CONF=0\n\
             PRIVATE_USERS=pick\n\
             SYSTEM_PATH={system}\n\
             EXTRA_NSPAWN_FLAGS={flags}\n",
            system = self.system,
        )
    }
}

/// What a file on the host says, for the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedConf {
    /// The container's address.
    pub container_address: Ipv4Addr,
    /// The system it boots.
    pub system: StorePath,
}

/// Why a configuration file would start a container that is not shut in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfError {
    /// Not `NAME=VALUE`, or a name twice.
    #[error("line {0} is not one that Berth writes")]
    Line(usize),
    /// A value that Berth never writes.
    #[error("`{key}` must be `{expected}`, not `{found}`")]
    Value {
        /// The variable.
        key: &'static str,
        /// What Berth writes.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// An option is missing.
    #[error("`EXTRA_NSPAWN_FLAGS` lacks `{0}`")]
    Flag(&'static str),
    /// A variable that Berth does not write.
    #[error("`{0}` is a variable that Berth does not write")]
    Unknown(String),
    /// An option that nobody but Berth may add, or that cannot be read.
    #[error("`EXTRA_NSPAWN_FLAGS` has `{0}`, which Berth does not write")]
    UnknownFlag(String),
}

/// Reads a file back, and refuses one that does not shut the container in.
pub fn parse(text: &str, expected: AddressPair) -> Result<ParsedConf, ConfError> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let is_new = line.split_once('=').is_some_and(|(key, value)| values.insert(key, value).is_none());
        if !is_new {
            return Err(ConfError::Line(index + 1));
        }
    }
    let mut take = |key: &'static str| values.remove(key).unwrap_or_default();
    for (key, expected) in [
        ("PRIVATE_NETWORK", "1".to_owned()),
        ("HOST_ADDRESS", expected.host.to_string()),
        ("LOCAL_ADDRESS", expected.container.to_string()),
        ("HOST_BRIDGE", String::new()),
        ("HOST_PORT", String::new()),
        ("AUTO_START", "0".to_owned()),
        ("COPY_RESOLV_CONF", "0".to_owned()),
        ("PRIVATE_USERS", "pick".to_owned()),
    ] {
        let found = take(key);
        if found != expected {
            return Err(ConfError::Value { key, expected, found: found.to_owned() });
        }
    }
    let system = take("SYSTEM_PATH");
    let flags = take("EXTRA_NSPAWN_FLAGS");
    if let Some((key, _)) = values.into_iter().next() {
        return Err(ConfError::Unknown(key.to_owned()));
    }
    let system = system.parse().map_err(|_| ConfError::Value {
        key: "SYSTEM_PATH",
        expected: "/nix/store/…".to_owned(),
        found: system.to_owned(),
    })?;
    check_flags(flags)?;
    Ok(ParsedConf { container_address: expected.container, system })
}

fn check_flags(flags: &str) -> Result<(), ConfError> {
    let words: Vec<&str> = flags.split(' ').collect();
    for required in ["--settings=no", "--private-users=pick"] {
        if !words.contains(&required) {
            return Err(ConfError::Flag(required));
        }
    }
    let is_ours = |word: &&str| {
        let is_known = matches!(*word, "--settings=no" | "--private-users=pick")
            || word.starts_with("--private-users-ownership=")
            || word.starts_with("--bind-ro=")
            || gpu::is_device_flag(word);
        // A quote or a backslash would make other lines part of this one.
        is_known && NspawnFlag::new(*word).is_ok()
    };
    match words.iter().find(|word| !is_ours(word)) {
        Some(word) => Err(ConfError::UnknownFlag((*word).to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf() -> ContainerConf {
        ContainerConf {
            addresses: AddressPair {
                host: Ipv4Addr::new(10, 100, 0, 24),
                container: Ipv4Addr::new(10, 100, 0, 25),
            },
            system: "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"
                .parse()
                .expect("a store path"),
            ownership: Ownership::Auto,
            flags: vec![
                NspawnFlag::bind_read_only(Path::new("/var/lib/berth/guest/resolv.conf"), "/etc/resolv.conf")
                    .expect("a safe flag"),
            ],
        }
    }

    #[test]
    fn the_whole_file_is_this() {
        insta::assert_snapshot!(conf().render(), @"
        PRIVATE_NETWORK=1
        HOST_ADDRESS=10.100.0.24
        LOCAL_ADDRESS=10.100.0.25
        HOST_BRIDGE=
        HOST_PORT=
        AUTO_START=0
        COPY_RESOLV_CONF=0
        PRIVATE_USERS=pick
        SYSTEM_PATH=/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
        EXTRA_NSPAWN_FLAGS=--settings=no --private-users=pick --private-users-ownership=auto --bind-ro=/var/lib/berth/guest/resolv.conf:/etc/resolv.conf
        ");
    }

    #[test]
    fn what_is_rendered_is_read_back() {
        let conf = conf();
        let parsed = parse(&conf.render(), conf.addresses).expect("a file of Berth");
        assert_eq!(parsed.system, conf.system);
        assert_eq!(parsed.container_address, conf.addresses.container);
    }

    #[test]
    fn a_gpu_is_bound_and_read_back_and_nothing_else_can_be_written_to_from_inside() {
        let devices = ["/dev/nvidia0", "/dev/nvidiactl"].map(|path| path.parse().expect("a node"));
        let driver = "/run/opengl-driver".parse().expect("a folder");
        let gpu = crate::Gpu { devices: devices.into(), driver };
        let mut conf = conf();
        conf.flags.extend(gpu.flags());
        let text = conf.render();
        let flags = text.lines().last().expect("the flags come last");
        insta::assert_snapshot!(flags, @"EXTRA_NSPAWN_FLAGS=--settings=no --private-users=pick --private-users-ownership=auto --bind-ro=/var/lib/berth/guest/resolv.conf:/etc/resolv.conf --bind=/dev/nvidia0 --bind=/dev/nvidiactl --bind-ro=/run/opengl-driver:/run/opengl-driver");
        parse(&text, conf.addresses).expect("a file of Berth");

        for (from, to) in [
            ("--bind=/dev/nvidia0", "--bind=/dev/sda"),
            ("--bind=/dev/nvidia0", "--bind=/dev"),
            ("--bind=/dev/nvidia0", "--bind=/"),
            ("--bind=/dev/nvidia0", "--bind=/dev/nvidia0:/dev/sda"),
            ("--bind=/dev/nvidia0", "--bind=/dev/nvidia0/../sda"),
            ("--bind=/dev/nvidia0", "--bind=+/dev/nvidia0"),
            ("--bind=/dev/nvidia0", "--bind"),
            ("--bind-ro=/run", "--bind=/run"),
        ] {
            let text = text.replacen(from, to, 1);
            let error = parse(&text, conf.addresses).expect_err(to);
            assert!(matches!(error, ConfError::UnknownFlag(_)), "{to}: {error}");
        }
    }

    #[test]
    fn a_flag_that_the_start_script_would_split_or_expand_is_refused() {
        for flag in [
            "",
            "--",
            "-M",
            "bind",
            "--bind=/a b",
            "--bind=/a\tb",
            "--bind=/*",
            "--bind=/a?",
            "--bind=/[a]",
            "--bind=$HOME",
            "--bind=`id`",
            "--bind=/a\"b",
            "--bind=/a'b",
            "--bind=/a\\b",
            "--bind=/a\nSYSTEM_PATH=/etc",
            "--bind=/ä",
            "--bind=/a;id",
            "--bind=~root",
        ] {
            assert!(NspawnFlag::new(flag).is_err(), "{flag:?}");
        }
        assert!(NspawnFlag::new("--bind-ro=/a_b.c/d:/e:idmap,x@y+z-1").is_ok());
    }

    #[test]
    fn a_file_that_opens_the_container_is_refused() {
        let conf = conf();
        let good = conf.render();
        for (from, to, message) in [
            ("PRIVATE_NETWORK=1\n", "", "`PRIVATE_NETWORK` must be `1`, not ``"),
            ("PRIVATE_USERS=pick", "PRIVATE_USERS=no", "`PRIVATE_USERS` must be `pick`, not `no`"),
            ("--settings=no ", "", "`EXTRA_NSPAWN_FLAGS` lacks `--settings=no`"),
            (" --private-users=pick", "", "`EXTRA_NSPAWN_FLAGS` lacks `--private-users=pick`"),
            (
                "--settings=no",
                "--settings=no --private-users=no",
                "`EXTRA_NSPAWN_FLAGS` has `--private-users=no`, which Berth does not write",
            ),
            (
                "--settings=no",
                "--settings=no --capability=all",
                "`EXTRA_NSPAWN_FLAGS` has `--capability=all`, which Berth does not write",
            ),
            ("10.100.0.25", "10.100.0.27", "`LOCAL_ADDRESS` must be `10.100.0.25`, not `10.100.0.27`"),
            ("HOST_BRIDGE=", "HOST_BRIDGE=br0", "`HOST_BRIDGE` must be ``, not `br0`"),
            (
                "AUTO_START=0",
                "INTERFACES=eth0\nAUTO_START=0",
                "`INTERFACES` is a variable that Berth does not write",
            ),
            ("AUTO_START=0", "AUTO_START=\"", "`AUTO_START` must be `0`, not `\"`"),
            (
                "/etc/resolv.conf",
                "/etc/resolv.conf\"",
                "`EXTRA_NSPAWN_FLAGS` has `--bind-ro=/var/lib/berth/guest/resolv.conf:/etc/resolv.conf\"`, which Berth does not write",
            ),
            ("AUTO_START=0", "AUTO_START", "line 6 is not one that Berth writes"),
            ("AUTO_START=0", "HOST_PORT=tcp:22", "line 6 is not one that Berth writes"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = parse(&text, conf.addresses).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }
}
