//! Owners inside and outside.

use std::path::Path;

use rustix::fs::Stat;

use crate::RootedError;

/// systemd-nspawn gives each container 65,536 ids, beginning at a multiple.
const BASE_MASK: u32 = 0xffff_0000;

/// An owner as seen inside the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user id inside.
    pub uid: u32,
    /// The group id inside.
    pub gid: u32,
}

impl Owner {
    /// Container root.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

/// Where the container's ids begin on the host, on disk: 0 before the first
/// start and with idmapped mounts, the shifted base once systemd-nspawn has
/// changed the ownership.
///
/// Only the upper half of the root folder's owner counts, as for
/// systemd-nspawn itself: container root may give its `/` to any user inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base(u32);

impl Base {
    pub(crate) fn of_root(root: &Stat, path: &Path) -> Result<Self, RootedError> {
        let (uid, gid) = (root.st_uid, root.st_gid);
        if uid & BASE_MASK != gid & BASE_MASK {
            return Err(RootedError::OddOwner { path: path.to_owned(), uid, gid });
        }
        Ok(Self(uid & BASE_MASK))
    }

    /// The owner on disk. Ids beyond the container's 65,536 become the last
    /// one, which inside as outside belongs to nobody.
    pub(crate) fn on_disk(self, inside: Owner) -> (rustix::fs::Uid, rustix::fs::Gid) {
        let shift = |id: u32| self.0 | id.min(!BASE_MASK - 1);
        (rustix::fs::Uid::from_raw(shift(inside.uid)), rustix::fs::Gid::from_raw(shift(inside.gid)))
    }
}
