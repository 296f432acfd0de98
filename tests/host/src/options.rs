//! How a host is booted.

use serde::{Deserialize, Serialize};

/// How to boot a host.
#[derive(Debug, Clone)]
pub struct BootOptions {
    /// Tells several hosts apart: lower-case letters, digits and dashes.
    pub name: String,
    /// What the container roots lie on.
    pub roots: Roots,
}

impl BootOptions {
    /// A host of this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), roots: Roots::Plain }
    }

    /// With the container roots on btrfs, where folders can be subvolumes.
    #[must_use]
    pub fn on_btrfs(mut self) -> Self {
        self.roots = Roots::Btrfs;
        self
    }
}

/// The file system of the container roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Roots {
    /// The one of the machine outside.
    #[default]
    Plain,
    /// A btrfs of their own, on a loop device.
    Btrfs,
}

impl Roots {
    /// The word that the launch script knows.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Btrfs => "btrfs",
        }
    }
}
