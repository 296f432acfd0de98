//! The closures of previews: found by what they are made from, built when
//! there is none, dropped by least recent use.
//!
//! [`closure_for`] hashes what an evaluation would see. A closure that is
//! recorded under that key is used without any evaluation. Otherwise whoever
//! gets the lock of the key evaluates and builds, and all others wait for it
//! and find the result. What fails or is killed leaves no record and no root;
//! what Nix said stays for a while in any case.

mod build_log;
mod error;
mod release;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use berth_core::limits::Memory;
use berth_core::{ClosureKey, Meta, NixFiles};

pub use self::error::{BuildFailure, PreviewClosureError};
pub use self::release::release_unused;
pub use crate::state::PreviewClosure;

use self::build_log::BuildLog;
use crate::closures::{abandon_dead_builds, make_roots_folder, remove_dead_builds, remove_root};
use crate::host::Host;
use crate::lock::{Lock, LockError, LockName};
use crate::nix::{BuildBounds, Evaluation, LockedFlake};
use crate::progress::{Interrupt, Progress};
use crate::state::{ClosureId, NewPreviewBuild, PreviewSystem};

/// How often a build begins again because the closures flake was changed
/// meanwhile.
const ATTEMPTS: usize = 3;
/// What a build may take beyond its limits: locking, adding files, measuring.
const AROUND: Duration = Duration::from_mins(12);

/// What the operator allows a repository's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// The most memory of an evaluation.
    pub evaluation_memory: Memory,
    /// The longest time of an evaluation.
    pub evaluation_time: Duration,
    /// The longest time of a build.
    pub build_time: Duration,
    /// The longest time without a word from a builder.
    pub silent_time: Duration,
    /// The largest closure, in bytes, with all that it refers to.
    pub closure_max: u64,
    /// What must stay free on the store's file system, in bytes.
    pub free_min: u64,
    /// How many closures that no berth has are kept.
    pub keep: usize,
}

/// Which closure is wanted.
#[derive(Clone, Copy, Debug)]
pub struct ClosureRequest<'a> {
    /// The repository's `.nix` files at the commit. Without a
    /// `preview-config.nix` among them, the host's default preview
    /// configuration is meant: whether that may be used is for the caller to
    /// say.
    pub files: &'a NixFiles,
    /// The host's settings that the result depends on, by name.
    pub settings: &'a [(&'a str, &'a str)],
    /// What is allowed.
    pub limits: &'a BuildLimits,
    /// How a person sees the whole log of a build, such as
    /// `preview logs fix-login --build`: part of the message when it fails. The
    /// log's file is named where there is no such command.
    pub see_log: Option<&'a str>,
}

/// The closure that is wanted: the recorded one, or a new one. Its use is
/// recorded, so that it does not leave before a berth has it.
///
/// Nothing is left of a build that is interrupted.
pub async fn closure_for(
    host: &Host,
    request: &ClosureRequest<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<PreviewClosure, PreviewClosureError> {
    tokio::select! {
        biased;
        () = interrupt.interrupted() => {}
        outcome = find_or_build(host, request, progress) => return outcome,
    }
    remove_dead_builds(host).await?;
    Err(PreviewClosureError::Interrupted)
}

/// The key of the closure that is wanted, without looking whether there is one:
/// the same key means the same system and the same meta.
pub async fn key_of(host: &Host, request: &ClosureRequest<'_>) -> Result<ClosureKey, PreviewClosureError> {
    let flake = host.tools.nix.flake_hash(&host.config.closures).await?;
    let files = request.files.has_preview_config().then_some(request.files);
    Ok(ClosureKey::new(files, &flake, request.settings))
}

async fn find_or_build(
    host: &Host,
    request: &ClosureRequest<'_>,
    progress: &dyn Progress,
) -> Result<PreviewClosure, PreviewClosureError> {
    for _ in 0..ATTEMPTS {
        let key = key_of(host, request).await?;
        if let Some(closure) = usable(host, &key).await? {
            return Ok(closure);
        }
        let lock = lock(host, &key, request.limits, progress).await?;
        // Whoever held the lock has probably built it.
        if let Some(closure) = usable(host, &key).await? {
            return Ok(closure);
        }
        progress.step("lock the closures flake");
        let flake = host.tools.nix.locked(&host.config.closures).await?;
        let files = request.files.has_preview_config().then_some(request.files);
        if ClosureKey::new(files, &flake.nar_hash, request.settings) != key {
            continue;
        }
        let outcome = build(host, request, key, flake, &lock, progress).await;
        drop(lock);
        // After a failure too: it has left a log.
        release_unused(host, request.limits.keep, progress).await;
        return outcome;
    }
    Err(PreviewClosureError::FlakeChanges { flake: host.config.closures.clone() })
}

/// The recorded closure, if nobody has deleted it from the store.
async fn usable(host: &Host, key: &ClosureKey) -> Result<Option<PreviewClosure>, PreviewClosureError> {
    let Some(closure) = host.state.use_preview_closure(key, (host.now)()).await? else { return Ok(None) };
    let is_valid = host.tools.nix.is_valid(&closure.system).await?;
    Ok(is_valid.then_some(closure))
}

async fn lock(
    host: &Host,
    key: &ClosureKey,
    limits: &BuildLimits,
    progress: &dyn Progress,
) -> Result<Lock, LockError> {
    let name = LockName::Closure(key.lock_number());
    let action = "build the closure of a preview";
    if let Some(lock) = host.locks.try_lock(name, action)? {
        return Ok(lock);
    }
    progress.step("wait for the same closure, which another process builds");
    host.locks.lock(name, action, limits.evaluation_time + limits.build_time + AROUND).await
}

async fn build(
    host: &Host,
    request: &ClosureRequest<'_>,
    key: ClosureKey,
    flake: LockedFlake,
    lock: &Lock,
    progress: &dyn Progress,
) -> Result<PreviewClosure, PreviewClosureError> {
    abandon_dead_builds(host, lock).await?;
    let source = host.config.closures.clone();
    let new = NewPreviewBuild { key, source, begun_at: (host.now)() };
    let id = host.state.begin_preview_build(new, lock).await?;
    let outcome = match BuildLog::create(&host.layout, id.get()) {
        Ok(log) => {
            let made = make(host, request, flake, id, &log, progress).await;
            log.end(made.as_ref().err().map(|error| error as _));
            made
        }
        Err(source) => Err(BuildFailure::Log { path: host.layout.build_log(id.get()), source }),
    };
    match outcome {
        Ok(made) => Ok(host.state.finish_preview_build(id, &made, (host.now)()).await?),
        Err(source) => {
            host.state.abandon_build(id, lock).await?;
            remove_root(host, id)?;
            Err(PreviewClosureError::Build { build: id, see_log: see_log(host, request, id), source })
        }
    }
}

/// Evaluates and builds; at the end the root is in place.
fn see_log(host: &Host, request: &ClosureRequest<'_>, id: ClosureId) -> String {
    let file = || format!("less {}", host.layout.build_log(id.get()).display());
    request.see_log.map_or_else(file, str::to_owned)
}

async fn make(
    host: &Host,
    request: &ClosureRequest<'_>,
    flake: LockedFlake,
    id: ClosureId,
    log: &BuildLog,
    progress: &dyn Progress,
) -> Result<PreviewSystem, BuildFailure> {
    let (nix, limits) = (&host.tools.nix, request.limits);
    let tell = |line: &str| {
        log.line(line);
        progress.line(line);
    };
    let step = |text: &str| {
        log.line(&format!("-- {text}"));
        progress.step(text);
    };
    let source = if request.files.has_preview_config() {
        step("evaluate preview-config.nix");
        Some(nix.add_tree(request.files).await?)
    } else {
        step("evaluate the host's default preview configuration");
        None
    };
    let (memory, time) = (limits.evaluation_memory, limits.evaluation_time);
    // The trace behind an error is long; its essence is in the error we return.
    let has_failed = AtomicBool::new(false);
    let tell_evaluation = |line: &str| {
        log.line(line);
        if !has_failed.load(Ordering::Relaxed) && !line.starts_with("error:") {
            progress.line(line);
        } else {
            has_failed.store(true, Ordering::Relaxed);
        }
    };
    let evaluated = nix.evaluate(&Evaluation { flake, source, memory, time }, &tell_evaluation).await?;
    let meta = Meta::parse(&evaluated.meta).map_err(BuildFailure::Meta)?;
    step(&format!("build {}", evaluated.derivation));
    let bounds =
        BuildBounds { time: limits.build_time, silent_time: limits.silent_time, free_min: limits.free_min };
    make_roots_folder(host).map_err(|source| BuildFailure::Root(Box::new(source)))?;
    let root = host.layout.gc_root(id.get());
    let built = nix.realise(&evaluated.derivation, &root, &bounds, &tell).await;
    let system = built.map_err(BuildFailure::Realise)?;
    let size = nix.closure_size(&system).await?;
    if size > limits.closure_max {
        return Err(BuildFailure::TooLarge { size, max: limits.closure_max });
    }
    Ok(PreviewSystem { system, meta, size })
}

#[cfg(test)]
mod tests;
