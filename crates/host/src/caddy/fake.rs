//! A fake Caddy, which reads the files that a real one would.

use std::collections::BTreeMap;
use std::fs;

use async_trait::async_trait;
use berth_core::site::CaddyFeatures;
use berth_core::{Domain, Layout};

use super::{Caddy, CaddyError};
use crate::fake::{FakeWorld, Moment};

/// A text that neither [`Caddy::check`] nor a reload lets through.
pub const REFUSED_BY_CHECK: &str = "revers_proxy";
/// A text that only a reload refuses.
pub const REFUSED_AT_LOAD: &str = "path_regexp (((";

/// What the running Caddy has.
#[derive(Default)]
pub(crate) struct FakeCaddyState {
    is_stopped: bool,
    served: BTreeMap<String, String>,
    loads: usize,
    refusals: usize,
}

/// The Caddy of a [`FakeWorld`]. It runs from the beginning.
pub struct FakeCaddy {
    world: FakeWorld,
}

impl FakeCaddy {
    /// That of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }
}

impl FakeWorld {
    /// What Caddy serves: the text of each file by its name.
    pub fn served(&self) -> BTreeMap<String, String> {
        self.lock().caddy.served.clone()
    }

    /// How many reloads Caddy took, and how many it refused.
    pub fn reloads(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.caddy.loads, inner.caddy.refusals)
    }

    /// Stops Caddy.
    pub fn stop_caddy(&self) {
        let mut inner = self.lock();
        inner.caddy.is_stopped = true;
        inner.caddy.served.clear();
    }

    /// Starts Caddy with what lies there now. Fails, and leaves it stopped,
    /// where a real one would.
    pub fn start_caddy(&self) -> Result<(), CaddyError> {
        let files = files(self.layout());
        refused(&files)?;
        let mut inner = self.lock();
        inner.caddy.is_stopped = false;
        inner.caddy.served = files;
        Ok(())
    }
}

#[async_trait]
impl Caddy for FakeCaddy {
    async fn features(&self) -> Result<CaddyFeatures, CaddyError> {
        self.world.pass("caddy.features", Moment::Before).await.map_err(CaddyError::AskVersion)?;
        Ok(CaddyFeatures::of_version(2, 11))
    }

    async fn check(&self, route_file: &str) -> Result<(), CaddyError> {
        self.world.pass("caddy.check", Moment::Before).await.map_err(CaddyError::RunCheck)?;
        if route_file.contains(REFUSED_BY_CHECK) {
            return Err(CaddyError::Check(format!("unrecognized directive: {REFUSED_BY_CHECK}")));
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), CaddyError> {
        self.world.pass("caddy.reload", Moment::Before).await.map_err(CaddyError::RunReload)?;
        let files = files(self.world.layout());
        // Others run while Caddy reads.
        tokio::task::yield_now().await;
        self.load(files)?;
        self.world.pass("caddy.reload", Moment::After).await.map_err(CaddyError::RunReload)
    }

    async fn serves(&self, _domain: &Domain) -> Result<bool, CaddyError> {
        self.world.pass("caddy.serves", Moment::Before).await.map_err(CaddyError::RunCheck)?;
        let inner = self.world.lock();
        if inner.caddy.is_stopped {
            return Err(CaddyError::NotRunning);
        }
        Ok(inner.caddy.served.contains_key("site.caddy"))
    }
}

impl FakeCaddy {
    fn load(&self, files: BTreeMap<String, String>) -> Result<(), CaddyError> {
        let mut inner = self.world.lock();
        if inner.caddy.is_stopped {
            return Err(CaddyError::NotRunning);
        }
        if let Err(error) = refused(&files) {
            inner.caddy.refusals += 1;
            return Err(error);
        }
        inner.caddy.loads += 1;
        inner.caddy.served = files;
        Ok(())
    }
}

fn refused(files: &BTreeMap<String, String>) -> Result<(), CaddyError> {
    let marks = [REFUSED_BY_CHECK, REFUSED_AT_LOAD];
    let bad =
        files.iter().find_map(|(name, text)| Some((name, marks.iter().find(|mark| text.contains(*mark))?)));
    bad.map_or(Ok(()), |(name, mark)| Err(CaddyError::Reload(format!("{name}:1: {mark}"))))
}

/// The imports of a real one: `*.caddy` beside the site and in its folder.
fn files(layout: &Layout) -> BTreeMap<String, String> {
    let folders = [layout.caddy_dir(), layout.routes_dir()];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let paths =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "caddy"));
    let read = paths.filter_map(|path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((name, fs::read_to_string(&path).ok()?))
    });
    read.collect()
}
