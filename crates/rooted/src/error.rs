//! Why a root could not be worked on.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Kind;

/// Why a file below a container's root was not touched.
#[derive(Debug, Error)]
pub enum RootedError {
    /// There is no such root.
    #[error("`{path}` does not exist", path = path.display())]
    Absent {
        /// The root.
        path: PathBuf,
    },
    /// Something else stands where a folder or a file belongs.
    #[error("`{path}` is {found}, not {wanted}: not followed, not replaced", path = path.display())]
    Blocked {
        /// The path on the host.
        path: PathBuf,
        /// What stands there.
        found: Kind,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Another file system or a bind mount begins here.
    #[error("`{path}` is a mount: unmount it first", path = path.display())]
    Mount {
        /// The path on the host.
        path: PathBuf,
    },
    /// A path that is not made of plain names below the root.
    #[error("`{path}` is not a path below a container's root", path = path.display())]
    NotBelow {
        /// The path as given.
        path: PathBuf,
    },
    /// The root's owner says nothing about how ids inside map to ids outside.
    #[error("`{path}` is owned by {uid}:{gid}, which are not of one range of ids: give it back to the user that container root is", path = path.display())]
    OddOwner {
        /// The root.
        path: PathBuf,
        /// Its user id on the host.
        uid: u32,
        /// Its group id on the host.
        gid: u32,
    },
    /// A file is larger than the reader takes.
    #[error("`{path}` has {size} bytes, more than the {limit} that are read", path = path.display())]
    TooLarge {
        /// The path on the host.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Parts of a tree could not be removed.
    #[error("could not remove `{root}`, {total} {paths} in the way:{list}", root = root.display(), paths = if *total == 1 { "path is" } else { "paths are" }, list = list(first, *total))]
    InTheWay {
        /// The root.
        root: PathBuf,
        /// The first obstacles.
        first: Vec<Obstacle>,
        /// How many there are.
        total: u64,
    },
    /// The system refused.
    #[error("could not {action} `{path}`", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path on the host.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A path that could not be removed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The path on the host.
    pub path: PathBuf,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names are the container's: keep them from steering a terminal.
        write!(f, "`{}`: {}", self.path.to_string_lossy().escape_debug(), self.reason)
    }
}

fn list(first: &[Obstacle], total: u64) -> String {
    let mut lines: Vec<String> = first.iter().map(ToString::to_string).collect();
    let more = total.saturating_sub(first.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}
