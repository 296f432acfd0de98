//! The configuration file of a container.

use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use berth_core::conf_file::{self, ConfError};
use berth_core::firewall::Pin;
use berth_core::{AddressPair, ContainerName, Layout, Slot};
use rustix::fs::{Mode, OFlags};
use thiserror::Error;

/// More than any file that Berth writes.
const LIMIT: u64 = 64 * 1024;

/// Why a container with this configuration file must not be started.
#[derive(Debug, Error)]
pub enum ConfRefusal {
    /// The file cannot be read: without it nothing shuts the container in.
    #[error("`{path}` cannot be read", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Others than root could have written it.
    #[error("`{path}` must be a regular file that only root can write; write it anew with `agent doctor --fix`", path = path.display())]
    NotRoots {
        /// The file.
        path: PathBuf,
    },
    /// The addresses are not those of the slot.
    #[error("`{path}` has no `HOST_ADDRESS` of slot {slot}; write it anew with `agent doctor --fix`", path = path.display())]
    Addresses {
        /// The file.
        path: PathBuf,
        /// The container's slot.
        slot: Slot,
    },
    /// The file says something that Berth does not write.
    #[error("`{path}` is not as Berth writes it; write it anew with `agent doctor --fix`", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ConfError,
    },
}

/// Checks the file, and tells which pin the firewall must have for it.
pub fn check(layout: &Layout, name: ContainerName) -> Result<Pin, ConfRefusal> {
    let path = layout.conf(name);
    let text = read(&path)?;
    let Some(pair) = pair_of(&text, name.slot()) else {
        return Err(ConfRefusal::Addresses { path, slot: name.slot() });
    };
    match conf_file::parse(&text, pair) {
        Ok(parsed) => Ok(Pin { container: name, address: parsed.container_address }),
        Err(source) => Err(ConfRefusal::Content { path, source }),
    }
}

fn read(path: &Path) -> Result<String, ConfRefusal> {
    let refuse = |source| ConfRefusal::Read { path: path.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| refuse(errno.into()))?);
    let meta = file.metadata().map_err(refuse)?;
    if !meta.is_file() || meta.uid() != 0 || meta.mode() & 0o022 != 0 {
        return Err(ConfRefusal::NotRoots { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).map_err(refuse)?;
    Ok(text)
}

/// The pair that the file must have, from its own host address: that is slot N
/// of some subnet when the address is 2N behind a network that a subnet can
/// have, which is a /24 or larger. Which subnet it is, the firewall tells: it
/// pins the exact address. So the guard needs no configuration of Berth, which
/// may be broken at a reboot from inside.
fn pair_of(text: &str, slot: Slot) -> Option<AddressPair> {
    let line = text.lines().find_map(|line| line.strip_prefix("HOST_ADDRESS="))?;
    let host: Ipv4Addr = line.parse().ok()?;
    let network = host.to_bits().checked_sub(2 * u32::from(slot.get()))?;
    let is_of_slot = network.trailing_zeros() >= 8 && host.is_private();
    is_of_slot.then(|| AddressPair { host, container: Ipv4Addr::from_bits(host.to_bits() + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_is_that_of_the_slot_in_some_subnet() {
        let slot = Slot::try_from(300).unwrap();
        let pair = |address: &str| pair_of(&format!("X=1\nHOST_ADDRESS={address}\n"), slot);
        assert_eq!(pair("10.100.2.88").map(|p| p.container), Some(Ipv4Addr::new(10, 100, 2, 89)));
        assert!(pair("172.16.2.88").is_some());
        for bad in ["", "10.100.2.90", "10.100.2.89", "8.8.2.88", "0.0.2.88", "x", "10.100.2.88/31"] {
            assert!(pair(bad).is_none(), "{bad}");
        }
        assert!(pair_of("X=1\n", slot).is_none());
    }
}
