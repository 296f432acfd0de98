//! Bringing the files to what the records say.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use berth_core::PreviewId;

use super::files::{Change, Target, gone, told};
use super::{NotTaken, RouteError, Routes};
use crate::lock::Lock;

/// The routes with their lock held.
#[must_use = "the lock is let go when this is dropped"]
pub struct HeldRoutes<'a> {
    routes: &'a Routes<'a>,
    #[expect(dead_code, reason = "its drop lets go")]
    lock: Lock,
}

/// What should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The text of the wildcard site.
    pub site: String,
    /// The route files; any other is a leftover.
    pub routes: BTreeMap<PreviewId, Expect>,
}

/// What should be there of one preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A route file with this text.
    Text(String),
    /// Whatever is there: somebody works on this preview now.
    AsIs,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The wildcard site is missing or another, or Caddy was not seen to take it.
    Site,
    /// The route file of a preview is missing or another.
    Route(PreviewId),
    /// A route file belongs to no preview.
    Leftover(PreviewId),
    /// Caddy was not seen to take a route file, or its removal.
    Unsettled(PreviewId),
    /// Something else lies in the folders.
    Stray(PathBuf),
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// What it found.
    pub found: Vec<Difference>,
    /// What of it Caddy did not take; nothing as name stands for the site.
    pub not_taken: Vec<(Option<PreviewId>, NotTaken)>,
    /// How many reloads it ran.
    pub reloads: usize,
}

impl Routes<'_> {
    /// Whether a site was ever made, or begun by a process that was killed.
    pub fn is_used(&self) -> Result<bool, RouteError> {
        Ok(self.files.text(Target::Site)?.is_some() || !self.files.strays()?.is_empty())
    }

    /// What is not as expected. Changes nothing.
    pub fn differences(&self, expected: &Expected) -> Result<Vec<Difference>, RouteError> {
        let mut found = Vec::new();
        for target in self.files.listed()? {
            let Target::Route(id) = target else { continue };
            match expected.routes.get(&id) {
                None => found.push(Difference::Leftover(id)),
                Some(Expect::Text(text)) => {
                    let change = Change::Put(text.clone());
                    if self.files.has(target, &change)? && !self.files.is_done(target, &change)? {
                        found.push(Difference::Unsettled(id));
                    }
                }
                Some(Expect::AsIs) => {}
            }
        }
        for (target, change) in expected.puts() {
            match target {
                Target::Site if !self.files.is_done(target, &change)? => found.push(Difference::Site),
                Target::Route(id) if !self.files.has(target, &change)? => found.push(Difference::Route(id)),
                Target::Site | Target::Route(_) => {}
            }
        }
        found.extend(self.files.strays()?.into_iter().map(Difference::Stray));
        found.sort();
        Ok(found)
    }
}

impl Expected {
    fn puts(&self) -> impl Iterator<Item = (Target, Change)> {
        let routes = self.routes.iter().filter_map(|(id, expect)| match expect {
            Expect::Text(text) => Some((Target::Route(*id), Change::Put(text.clone()))),
            Expect::AsIs => None,
        });
        [(Target::Site, Change::Put(self.site.clone()))].into_iter().chain(routes)
    }
}

impl<'a> HeldRoutes<'a> {
    pub(super) fn new(routes: &'a Routes<'a>, lock: Lock) -> Self {
        Self { routes, lock }
    }

    /// Brings the files to what is expected, by one reload: writes what
    /// differs, removes what belongs to no preview. Nothing differs: nothing is
    /// done.
    pub async fn restore(self, expected: &Expected) -> Result<Restored, RouteError> {
        let routes = self.routes;
        let found = routes.differences(expected)?;
        let mut changes: BTreeMap<Target, Change> = expected.puts().collect();
        for difference in &found {
            match difference {
                Difference::Leftover(id) => _ = changes.insert(Target::Route(*id), Change::Remove),
                Difference::Stray(path) => told(path, remove(path))?,
                Difference::Site | Difference::Route(_) | Difference::Unsettled(_) => {}
            }
        }
        let done = routes.work(changes).await?;
        let name = |target| match target {
            Target::Site => None,
            Target::Route(id) => Some(id),
        };
        let not_taken = done.not_taken.into_iter().map(|(target, reason)| (name(target), reason)).collect();
        Ok(Restored { found, not_taken, reloads: done.reloads })
    }
}

fn remove(path: &std::path::Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        return gone(fs::remove_dir_all(path));
    }
    gone(fs::remove_file(path))
}
