//! A fake Nix.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::StorePath;

use super::{Nix, NixError};
use crate::exec::Watcher;
use crate::fake::{FakeWorld, Moment, failure};

/// The Nix of a [`FakeWorld`].
pub struct FakeNix {
    world: FakeWorld,
}

impl FakeNix {
    /// That of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }
}

#[async_trait]
impl Nix for FakeNix {
    async fn build(
        &self,
        flake: &str,
        attribute: &str,
        root_link: &Path,
        _deadline: Duration,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError> {
        let installable = format!("{flake}#{attribute}");
        let call = format!("nix.build {installable}");
        self.world.pass(&call, Moment::Before).await.map_err(NixError::Run)?;
        let planned = self.world.lock().flakes.get(&installable).cloned();
        let said = format!("  error: flake '{flake}' does not provide attribute '{attribute}'");
        let path = planned.unwrap_or(Err(said)).map_err(|said| NixError::Build { installable, said })?;
        log(&format!("building {path}"));
        self.world.add_to_store(&path);
        self.world.pass(&call, Moment::Midway).await.map_err(NixError::Run)?;
        link(&path, root_link);
        self.world.pass(&call, Moment::After).await.map_err(NixError::Run)?;
        Ok(path)
    }

    async fn pin(&self, path: &StorePath, root_link: &Path) -> Result<(), NixError> {
        let call = format!("nix.pin {path}");
        self.world.pass(&call, Moment::Before).await.map_err(NixError::Pin)?;
        if !self.world.lock().store.contains(path) {
            return Err(NixError::Pin(failure(&call, &format!("error: path '{path}' does not exist"))));
        }
        link(path, root_link);
        self.world.pass(&call, Moment::After).await.map_err(NixError::Pin)
    }

    async fn is_valid(&self, path: &StorePath) -> Result<bool, NixError> {
        self.world.pass(&format!("nix.is_valid {path}"), Moment::Before).await.map_err(NixError::Check)?;
        Ok(self.world.lock().store.contains(path))
    }
}

fn link(path: &StorePath, root_link: &Path) {
    if let Some(folder) = root_link.parent() {
        fs::create_dir_all(folder).expect("a test can write below its layout");
    }
    let _ = fs::remove_file(root_link);
    symlink(path.as_path(), root_link).expect("a test can write below its layout");
}
