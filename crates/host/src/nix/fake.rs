//! A fake Nix.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::{NarHash, NixFiles, StorePath};

use super::{BuildBounds, Evaluated, Evaluation, LockedFlake, Nix, NixError, SourceTree};
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

/// What evaluations of previews come to.
#[derive(Default)]
pub(crate) struct PlannedPreviews {
    /// The content of the closures flake.
    flake: NixFiles,
    /// By the hash of the repository's files; `default` without any.
    evaluations: BTreeMap<String, Result<(StorePath, String), String>>,
    sizes: BTreeMap<StorePath, u64>,
}

impl FakeWorld {
    /// Lets the repository's files (the host's default preview, without any)
    /// evaluate to this system and meta, or fail with what Nix says.
    pub fn preview_evaluates(&self, files: Option<&NixFiles>, result: Result<(StorePath, &str), &str>) {
        let result = result.map(|(system, meta)| (system, meta.to_owned())).map_err(str::to_owned);
        self.lock().previews.evaluations.insert(evaluation_key(files.map(NixFiles::nar_hash)), result);
    }

    /// Changes the content of the closures flake.
    pub fn closures_flake_holds(&self, files: NixFiles) {
        self.lock().previews.flake = files;
    }

    /// Gives a system a size, with all that it refers to; 1 MiB unless given.
    pub fn system_has_size(&self, system: &StorePath, bytes: u64) {
        self.lock().previews.sizes.insert(system.clone(), bytes);
    }
}

fn evaluation_key(files: Option<NarHash>) -> String {
    files.map_or_else(|| "default".to_owned(), |hash| hash.to_string())
}

fn derivation_of(system: &StorePath) -> StorePath {
    format!("{system}.drv").parse().expect("a system has a short name")
}

fn system_of(derivation: &StorePath) -> StorePath {
    let system = derivation.as_str().strip_suffix(".drv").unwrap_or(derivation.as_str());
    system.parse().expect("a derivation of this fake is named after its system")
}

const SOURCE: &str = "/nix/store/hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7-source";

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

    async fn flake_hash(&self, _flake: &str) -> Result<NarHash, NixError> {
        self.world.pass("nix.flake_hash", Moment::Before).await.map_err(NixError::Run)?;
        Ok(self.world.lock().previews.flake.nar_hash())
    }

    async fn locked(&self, _flake: &str) -> Result<LockedFlake, NixError> {
        self.world.pass("nix.locked", Moment::Before).await.map_err(NixError::Run)?;
        let nar_hash = self.world.lock().previews.flake.nar_hash();
        Ok(LockedFlake { path: SOURCE.parse().expect("a path"), nar_hash, folder: None })
    }

    async fn add_tree(&self, files: &NixFiles) -> Result<SourceTree, NixError> {
        self.world.pass("nix.add_tree", Moment::Before).await.map_err(NixError::Add)?;
        Ok(SourceTree { path: SOURCE.parse().expect("a path"), nar_hash: files.nar_hash() })
    }

    async fn evaluate(&self, evaluation: &Evaluation, log: Watcher<'_>) -> Result<Evaluated, NixError> {
        self.world.pass("nix.evaluate", Moment::Before).await.map_err(NixError::Run)?;
        log("evaluating");
        let key = evaluation_key(evaluation.source.as_ref().map(|tree| tree.nar_hash));
        let planned = self.world.lock().previews.evaluations.get(&key).cloned();
        let planned = planned.unwrap_or_else(|| Err("  error: nothing was planned".to_owned()));
        let subject = "`preview-config.nix`";
        let (system, meta) = planned.map_err(|said| NixError::Evaluation { subject, said })?;
        Ok(Evaluated { derivation: derivation_of(&system), meta })
    }

    async fn realise(
        &self,
        derivation: &StorePath,
        root_link: &Path,
        _bounds: &BuildBounds,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError> {
        let call = format!("nix.realise {derivation}");
        self.world.pass(&call, Moment::Before).await.map_err(NixError::Run)?;
        let system = system_of(derivation);
        log(&format!("building {system}"));
        self.world.add_to_store(&system);
        self.world.pass(&call, Moment::Midway).await.map_err(NixError::Run)?;
        link(&system, root_link);
        self.world.pass(&call, Moment::After).await.map_err(NixError::Run)?;
        Ok(system)
    }

    async fn closure_size(&self, path: &StorePath) -> Result<u64, NixError> {
        self.world.pass(&format!("nix.closure_size {path}"), Moment::Before).await.map_err(NixError::Size)?;
        Ok(self.world.lock().previews.sizes.get(path).copied().unwrap_or(1 << 20))
    }
}

fn link(path: &StorePath, root_link: &Path) {
    if let Some(folder) = root_link.parent() {
        fs::create_dir_all(folder).expect("a test can write below its layout");
    }
    let _ = fs::remove_file(root_link);
    symlink(path.as_path(), root_link).expect("a test can write below its layout");
}
