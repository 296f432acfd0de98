//! Closures: building them once, keeping them as long as somebody uses them.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use berth_core::{Kind, StorePath};
use thiserror::Error;

use crate::host::{Host, duration};
use crate::lock::{Lock, LockError, LockName};
use crate::nix::{self, NixError};
use crate::progress::{Interrupt, Progress};
use crate::state::{ClosureId, ClosureRecord, NewBuild, StateError};

/// The attribute that agents are made from.
const ATTRIBUTE: &str = "nixosConfigurations.agent.config.system.build.toplevel";

/// Why there is no closure.
#[derive(Debug, Error)]
pub enum ClosureError {
    /// It could not be built.
    #[error("could not build `{source_text}`")]
    Build {
        /// Flake and attribute.
        source_text: String,
        /// What Nix said.
        source: NixError,
    },
    /// None was built yet, and building is not what was asked for.
    #[error("no system was built yet; run `agent build`")]
    NeverBuilt,
    /// Somebody interrupted the build.
    #[error("interrupted before the system was built; nothing of the build is left")]
    Interrupted,
    /// Nix could not be asked.
    #[error(transparent)]
    Nix(#[from] NixError),
    /// Somebody else is building.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// A root could not be made or removed.
    #[error("the garbage-collector root `{}` could not be changed", path.display())]
    Root {
        /// The root.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The closure, now the one that new agents get.
    pub closure: ClosureRecord,
    /// Whether it differs from the one that new agents got before.
    pub is_new: bool,
}

/// The closure that a new agent gets. One is built when none is recorded or
/// when somebody has deleted the recorded one from the store.
pub(crate) async fn agent_closure(
    host: &Host,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<ClosureRecord, ClosureError> {
    if let Some(closure) = usable(host).await? {
        return Ok(closure);
    }
    let build = async {
        let lock = lock(host).await?;
        // Whoever held the lock has probably built it.
        match usable(host).await? {
            Some(closure) => Ok(closure),
            None => Ok(build_locked(host, &lock, progress).await?.closure),
        }
    };
    unless_interrupted(host, build, interrupt).await
}

/// The system that a new agent would get, without building one.
pub(crate) async fn recorded(host: &Host) -> Result<StorePath, ClosureError> {
    let closure = host.state.current_closure(Kind::Agent).await?;
    closure.map(|closure| closure.system).ok_or(ClosureError::NeverBuilt)
}

/// Builds the closure of agents from the configured flake, records and pins
/// it. Existing agents keep theirs.
pub(crate) async fn build(
    host: &Host,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Built, ClosureError> {
    let build = async {
        let lock = lock(host).await?;
        build_locked(host, &lock, progress).await
    };
    unless_interrupted(host, build, interrupt).await
}

/// A build to its end, or to an interrupt: then its record and its root go.
async fn unless_interrupted<T>(
    host: &Host,
    build: impl Future<Output = Result<T, ClosureError>>,
    interrupt: &Interrupt,
) -> Result<T, ClosureError> {
    tokio::select! {
        biased;
        () = interrupt.interrupted() => {}
        outcome = build => return outcome,
    }
    remove_dead_builds(host).await?;
    Err(ClosureError::Interrupted)
}

async fn usable(host: &Host) -> Result<Option<ClosureRecord>, ClosureError> {
    let Some(closure) = host.state.current_closure(Kind::Agent).await? else { return Ok(None) };
    let is_valid = host.tools.nix.is_valid(&closure.system).await?;
    Ok(is_valid.then_some(closure))
}

async fn lock(host: &Host) -> Result<Lock, ClosureError> {
    let patience = duration(host.config.deadlines.build) + Duration::from_secs(30);
    Ok(host.locks.lock(LockName::Build(Kind::Agent), "build", patience).await?)
}

async fn build_locked(host: &Host, lock: &Lock, progress: &dyn Progress) -> Result<Built, ClosureError> {
    let flake = &host.config.closures;
    let source_text = format!("{flake}#{ATTRIBUTE}");
    let before = host.state.current_closure(Kind::Agent).await?;
    abandon_dead_builds(host, lock).await?;
    let new = NewBuild { kind: Kind::Agent, source: source_text.clone(), begun_at: (host.now)() };
    let id = host.state.begin_build(new, lock).await?;
    let root = host.layout.gc_root(id.get());
    make_roots_folder(host)?;
    progress.step(&format!("build {source_text}"));
    let deadline = duration(host.config.deadlines.build);
    let log = |line: &str| progress.line(line);
    match host.tools.nix.build(flake, ATTRIBUTE, &root, deadline, &log).await {
        Ok(system) => {
            let finished = host.state.finish_build(id, &system, (host.now)()).await?;
            if let Some(discarded) = finished.discarded {
                let kept = host.layout.gc_root(finished.closure.id.get());
                host.tools.nix.pin(&system, &kept).await?;
                remove_root(host, discarded)?;
            }
            release_unused(host, progress).await;
            let is_new = before.is_none_or(|before| before.system != system);
            Ok(Built { closure: finished.closure, is_new })
        }
        Err(source) => {
            host.state.abandon_build(id, lock).await?;
            remove_root(host, id)?;
            Err(ClosureError::Build { source_text, source })
        }
    }
}

/// Removes what builds left that were killed: their lock is ours now.
pub(crate) async fn abandon_dead_builds(host: &Host, lock: &Lock) -> Result<Vec<ClosureId>, ClosureError> {
    let mut abandoned = Vec::new();
    for build in host.state.builds().await? {
        if build.lock == lock.name() && host.state.abandon_build(build.id, lock).await? {
            remove_root(host, build.id)?;
            abandoned.push(build.id);
        }
    }
    Ok(abandoned)
}

/// Removes the records and roots of closures that nobody uses any more, of
/// builds that were killed, and roots without a record. Returns what it
/// removed, in words. What it cannot remove now it can the next time, so a
/// failure is only logged.
pub(crate) async fn release_unused(host: &Host, progress: &dyn Progress) -> Vec<String> {
    progress.step("release unused closures");
    match release(host).await {
        Ok(released) => released,
        Err(error) => {
            tracing::warn!(%error, "unused closures could not be released");
            Vec::new()
        }
    }
}

async fn release(host: &Host) -> Result<Vec<String>, ClosureError> {
    let mut released = Vec::new();
    for closure in host.state.unused_closures().await? {
        if host.state.forget_closure(closure.id).await? {
            remove_root(host, closure.id)?;
            released.push(format!("the unused closure {}", closure.system));
        }
    }
    Ok(released)
}

/// Removes what killed builds left, of agents and previews: their records, and
/// roots that no record explains. Returns what it removed, in words.
pub(crate) async fn remove_dead_builds(host: &Host) -> Result<Vec<String>, ClosureError> {
    let work = host.layout.run_dir();
    nix::remove_abandoned(&work).map_err(|source| ClosureError::Root { path: work, source })?;
    let builds = host.state.builds().await?;
    let names: HashSet<LockName> = builds.iter().map(|build| build.lock).collect();
    let mut removed = Vec::new();
    for name in names {
        // Whoever builds holds it.
        if let Some(lock) = host.locks.try_lock(name, "reconcile")? {
            let abandoned = abandon_dead_builds(host, &lock).await?;
            removed.extend(abandoned.iter().map(|id| format!("the unfinished build {id}")));
        }
    }
    // A root is made after its record and goes after it, so one without is
    // nobody's; only a build of agents, where it finds that it has made what is
    // there already, needs one a moment longer.
    let Some(_lock) = host.locks.try_lock(LockName::Build(Kind::Agent), "reconcile")? else {
        return Ok(removed);
    };
    for root in roots_without_record(host).await? {
        remove(host.layout.gc_roots_dir().join(&root))?;
        removed.push(format!("the garbage-collector root `{root}`"));
    }
    Ok(removed)
}

/// The names of roots that no record explains.
pub(crate) async fn roots_without_record(host: &Host) -> Result<Vec<String>, ClosureError> {
    let folder = host.layout.gc_roots_dir();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| ClosureError::Root { path: folder, source })?,
    };
    // Listed before the records: a root whose record comes in between is explained.
    let found: Vec<String> =
        entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let closures = host.state.closures().await?.into_iter().map(|closure| closure.id);
    let builds = host.state.builds().await?.into_iter().map(|build| build.id);
    let explained: Vec<PathBuf> = closures.chain(builds).map(|id| host.layout.gc_root(id.get())).collect();
    let is_explained =
        |name: &String| explained.iter().any(|path| path.file_name().is_some_and(|n| n == name.as_str()));
    Ok(found.into_iter().filter(|name| !is_explained(name)).collect())
}

pub(crate) fn make_roots_folder(host: &Host) -> Result<(), ClosureError> {
    let path = host.layout.gc_roots_dir();
    fs::create_dir_all(&path).map_err(|source| ClosureError::Root { path, source })
}

pub(crate) fn remove_root(host: &Host, id: ClosureId) -> Result<(), ClosureError> {
    remove(host.layout.gc_root(id.get()))
}

fn remove(path: PathBuf) -> Result<(), ClosureError> {
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ClosureError::Root { path, source: error })
        }
        _ => Ok(()),
    }
}
