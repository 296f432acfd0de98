//! The two sets of files: what Caddy reads, and what it last took.
//!
//! A file that Caddy took is hard-linked into the good set. So whether a file
//! is **settled** is told by the file system itself (both names lead to one
//! file, or both are absent), costs no reading, and needs no journal that could
//! be lost: what a killed process leaves unsettled, the next one finds.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use berth_core::{Layout, PreviewId};
use serde::{Deserialize, Serialize};

use super::RouteError;
use crate::replace_file::replace_file;

/// One file that Caddy reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Target {
    /// The wildcard site.
    Site,
    /// The routes of a preview.
    Route(PreviewId),
}

/// What a file should become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// This text.
    Put(String),
    /// Nothing.
    Remove,
}

/// The files of a host. Only who holds the lock of the routes changes them.
pub(super) struct Files<'a> {
    layout: &'a Layout,
}

impl<'a> Files<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self { layout }
    }

    /// Makes the folders, which Caddy's user must be able to read.
    pub(super) fn make_folders(&self) -> Result<(), RouteError> {
        let layout = self.layout;
        for folder in [layout.caddy_dir(), layout.routes_dir(), layout.good_routes_dir()] {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(&folder);
            // The umask took bits away at the creation.
            let made = made.and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o755)));
            told(&folder, made)?;
        }
        Ok(())
    }

    pub(super) fn text(&self, target: Target) -> Result<Option<String>, RouteError> {
        let path = self.path(target);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => told(&path, read.map(Some)),
        }
    }

    /// Whether the file is this already, and Caddy took it.
    pub(super) fn is_done(&self, target: Target, change: &Change) -> Result<bool, RouteError> {
        Ok(self.is_settled(target)? && self.has(target, change)?)
    }

    pub(super) fn has(&self, target: Target, change: &Change) -> Result<bool, RouteError> {
        Ok(match (self.text(target)?, change) {
            (Some(text), Change::Put(wanted)) => text == *wanted,
            (None, Change::Remove) => true,
            (Some(_), Change::Remove) | (None, Change::Put(_)) => false,
        })
    }

    pub(super) fn write(&self, target: Target, change: &Change) -> Result<(), RouteError> {
        let path = self.path(target);
        match change {
            Change::Put(text) => told(&path, replace_file(&path, text.as_bytes(), 0o644)),
            Change::Remove => told(&path, remove_synced(&path)),
        }
    }

    /// Notes that Caddy took the file as it is now. Not synced: when the power
    /// goes, an older note only makes the next change look again.
    pub(super) fn accept(&self, target: Target) -> Result<(), RouteError> {
        let good = self.good_path(target);
        told(&good, mirror(&self.path(target), &good))
    }

    /// Brings the file back to what Caddy last took.
    pub(super) fn take_back(&self, target: Target) -> Result<(), RouteError> {
        let path = self.path(target);
        let taken_back = mirror(&self.good_path(target), &path).and_then(|()| sync_folder_of(&path));
        told(&path, taken_back)
    }

    /// The files that Caddy was not seen to take.
    pub(super) fn unsettled(&self) -> Result<BTreeSet<Target>, RouteError> {
        let mut unsettled = BTreeSet::new();
        for target in self.listed()? {
            if !self.is_settled(target)? {
                unsettled.insert(target);
            }
        }
        Ok(unsettled)
    }

    /// Every file of either set.
    pub(super) fn listed(&self) -> Result<BTreeSet<Target>, RouteError> {
        let mut targets = BTreeSet::from([Target::Site]);
        for folder in [self.layout.routes_dir(), self.layout.good_routes_dir()] {
            let names = names_in(&folder)?;
            let ids = names.iter().filter_map(|name| PreviewId::from_route_file(name).ok());
            targets.extend(ids.map(Target::Route));
        }
        Ok(targets)
    }

    /// What lies in the folders and is neither a route file nor the site: what
    /// killed processes left, and what somebody else put there.
    pub(super) fn strays(&self) -> Result<Vec<PathBuf>, RouteError> {
        let is_route = |name: &str| PreviewId::from_route_file(name).is_ok();
        let mut strays = strays_in(&self.layout.routes_dir(), is_route)?;
        strays.extend(strays_in(&self.layout.good_routes_dir(), |name| is_route(name) || name == SITE)?);
        let half_written = format!(".{SITE}.");
        strays.extend(strays_in(&self.layout.caddy_dir(), |name| !name.starts_with(&half_written))?);
        Ok(strays)
    }

    fn path(&self, target: Target) -> PathBuf {
        match target {
            Target::Site => self.layout.site_file(),
            Target::Route(id) => self.layout.route_file(id),
        }
    }

    fn good_path(&self, target: Target) -> PathBuf {
        let name = match target {
            Target::Site => SITE.to_owned(),
            Target::Route(id) => id.route_file(),
        };
        self.layout.good_routes_dir().join(name)
    }

    fn is_settled(&self, target: Target) -> Result<bool, RouteError> {
        let (path, good) = (self.path(target), self.good_path(target));
        Ok(told(&path, identity(&path))? == told(&good, identity(&good))?)
    }
}

/// The name of the site's file in the good set.
const SITE: &str = "site.caddy";

/// Lets `to` be the same file as `from`, or absent like it.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    let is_there = identity(from)?;
    if is_there == identity(to)? {
        return Ok(());
    }
    if is_there.is_none() {
        return gone(fs::remove_file(to));
    }
    let name = to.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = to.with_file_name(format!(".{name}.{}", std::process::id()));
    gone(fs::remove_file(&temporary))?;
    fs::hard_link(from, &temporary)?;
    fs::rename(&temporary, to)
}

fn remove_synced(path: &Path) -> io::Result<()> {
    gone(fs::remove_file(path))?;
    sync_folder_of(path)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?.sync_all()
}

/// Which file this name leads to.
fn identity(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(|found| Some((found.dev(), found.ino()))),
    }
}

fn strays_in(folder: &Path, is_known: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, RouteError> {
    let names = names_in(folder)?.into_iter().filter(|name| !is_known(name));
    Ok(names.map(|name| folder.join(name)).collect())
}

fn names_in(folder: &Path) -> Result<Vec<String>, RouteError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => told(folder, entries)?,
    };
    entries.map(|entry| Ok(told(folder, entry)?.file_name().to_string_lossy().into_owned())).collect()
}

/// Gone already is success.
pub(super) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

pub(super) fn told<T>(path: &Path, done: io::Result<T>) -> Result<T, RouteError> {
    done.map_err(|source| RouteError::File { path: path.to_owned(), source })
}
