//! A fake host on which closures of previews are built.

use std::error::Error;
use std::fs;
use std::iter;
use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::time::Duration;

use berth_core::{Config, Layout, Meta, NixFiles, StorePath};
use jiff::Timestamp;
use tempfile::TempDir;

use super::super::{BuildLimits, ClosureRequest, PreviewClosure, PreviewClosureError, closure_for};
use crate::agents::Actor;
use crate::closures::roots_without_record;
use crate::fake::FakeWorld;
use crate::host::Host;
use crate::lock::{LockName, Locks};
use crate::progress::{Interrupt, Progress};
use crate::state::{NewPreviewBuild, PreviewSystem, State};

pub(super) const META: &str = r#"{"routes":[{"path":"/","port":8080}]}"#;

/// A fake host, a repository that evaluates, and what was told.
pub(super) struct Bed {
    pub(super) world: FakeWorld,
    pub(super) host: Host,
    pub(super) files: NixFiles,
    limits: BuildLimits,
    steps: Mutex<Vec<String>>,
    _folder: TempDir,
}

impl Progress for Bed {
    fn step(&self, text: &str) {
        self.steps.lock().expect("no panic").push(text.to_owned());
    }

    fn line(&self, _: &str) {}
}

impl Bed {
    pub(super) async fn new() -> Self {
        // In memory where there is room for that: durability is not tested here.
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("a folder");
        let layout = Layout::below(folder.path());
        let world = FakeWorld::new(&layout);
        let files = files("{ }");
        world.preview_evaluates(Some(&files), Ok((system(1), META)));
        let host = Host {
            state: State::open(&layout).await.expect("a database"),
            locks: Locks::new(&layout),
            tools: world.tools(),
            config: Config::parse("").expect("a configuration"),
            layout,
            now: Timestamp::now,
        };
        let limits = BuildLimits {
            evaluation_memory: "1G".parse().expect("an amount"),
            evaluation_time: Duration::from_secs(1),
            build_time: Duration::from_secs(1),
            silent_time: Duration::from_secs(1),
            closure_max: 3 << 20,
            free_min: 0,
            keep: 10,
        };
        Self { world, host, files, limits, steps: Mutex::default(), _folder: folder }
    }

    /// How many points an undisturbed build passes.
    pub(super) async fn points_of_a_build() -> usize {
        let bed = Self::new().await;
        let before = bed.points();
        bed.closure(&bed.files).await.expect("built");
        bed.points() - before
    }

    pub(super) fn request<'a>(
        &'a self,
        files: &'a NixFiles,
        settings: &'a [(&'a str, &'a str)],
    ) -> ClosureRequest<'a> {
        ClosureRequest {
            files,
            settings,
            limits: &self.limits,
            see_log: Some("preview logs fix-login --build"),
        }
    }

    pub(super) async fn closure(&self, files: &NixFiles) -> Result<PreviewClosure, PreviewClosureError> {
        self.closure_until(files, &never()).await
    }

    pub(super) async fn closure_with(
        &self,
        files: &NixFiles,
        settings: &[(&str, &str)],
    ) -> Result<PreviewClosure, PreviewClosureError> {
        closure_for(&self.host, &self.request(files, settings), self, &never()).await
    }

    pub(super) async fn closure_until(
        &self,
        files: &NixFiles,
        interrupt: &Interrupt,
    ) -> Result<PreviewClosure, PreviewClosureError> {
        closure_for(&self.host, &self.request(files, &[]), self, interrupt).await
    }

    /// A closure that was built and last used long ago.
    pub(super) async fn record(&self, system: &StorePath, second: i64) {
        let at = Timestamp::from_second(1_000_000_000 + second).expect("a time");
        let key = berth_core::ClosureKey::new(None, &NixFiles::new().nar_hash(), &[("old", system.as_str())]);
        let lock = self.host.locks.try_lock(LockName::Closure(key.lock_number()), "test").expect("a lock");
        let new = NewPreviewBuild { key, source: "test".into(), begun_at: at };
        let id = self.host.state.begin_preview_build(new, &lock.expect("free")).await.expect("begun");
        fs::create_dir_all(self.host.layout.gc_roots_dir()).expect("made");
        symlink(system.as_path(), self.host.layout.gc_root(id.get())).expect("linked");
        let meta = Meta::parse(META).expect("a meta");
        let made = PreviewSystem { system: system.clone(), meta, size: 1 };
        self.host.state.finish_preview_build(id, &made, at).await.expect("finished");
    }

    /// Asserts that there are so many closures, each with its root, and nothing
    /// of any build.
    pub(super) async fn assert_tidy(&self, closures: usize) {
        assert_eq!(self.host.state.builds().await.expect("read"), [], "builds");
        let records = self.host.state.closures().await.expect("read");
        assert_eq!(records.len(), closures, "{records:?}");
        for record in records {
            let root = fs::read_link(self.host.layout.gc_root(record.id.get())).expect("a root");
            assert_eq!(root, record.system.as_path());
        }
        assert_eq!(roots_without_record(&self.host).await.expect("listed"), [""; 0]);
        assert_eq!(self.host.locks.stale().expect("listed"), []);
    }

    pub(super) fn steps(&self) -> Vec<String> {
        self.steps.lock().expect("no panic").clone()
    }

    pub(super) fn points(&self) -> usize {
        self.world.passed().len()
    }

    /// Ends when some call hangs.
    pub(super) async fn hang(&self) {
        while !self.world.is_hanging() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(super) fn files(config: &str) -> NixFiles {
    let mut files = NixFiles::new();
    files.insert("preview-config.nix", config.as_bytes().to_vec()).expect("a file");
    files
}

pub(super) fn system(number: u8) -> StorePath {
    format!("/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqs{number:02}-nixos-system").parse().expect("a path")
}

pub(super) fn by() -> Actor {
    Actor::new("ada")
}

pub(super) fn never() -> Interrupt {
    Interrupt::new().1
}

/// An error with its causes, a line each.
pub(super) fn chain(error: &PreviewClosureError) -> String {
    let causes = iter::successors(Some(error as &dyn Error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
