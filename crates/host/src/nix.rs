//! Nix: building closures and keeping them from the garbage collector.
//!
//! Agents get what the operator's flake builds: [`Nix::build`]. Previews get
//! what strangers wrote, in steps that trust them less and less: the operator's
//! flake is [locked](Nix::locked) by root, the repository's files are
//! [put into the store](Nix::add_tree) as data, an unprivileged user without
//! network [evaluates](Nix::evaluate) both, and the daemon's sandbox
//! [builds](Nix::realise) the result.
//!
//! # What the closures flake offers to previews
//!
//! `lib.previewSystem { source ? null }` returns a NixOS system: an attribute
//! set with `config.system.build.toplevel`, the derivation to build, and
//! `config.system.build.previewMeta`, the meta as a value that has a JSON form.
//! `source` is a folder with the repository's `.nix` files, of which
//! `preview-config.nix` is to be imported as a module; without it the system is
//! the host's default preview configuration.

mod build_output;
mod error;
pub(crate) mod evaluation;
#[cfg(any(test, feature = "fake"))]
mod fake;
mod flake;
mod messages;
mod nar;
mod real;
mod realisation;
mod source_tree;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::limits::Memory;
use berth_core::{NarHash, NixFiles, StorePath};

use crate::exec::Watcher;

pub use self::error::NixError;
#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeNix;
#[cfg(any(test, feature = "fake"))]
pub(crate) use self::fake::PlannedPreviews;
pub use self::real::NixCli;
pub(crate) use self::source_tree::remove_abandoned;

/// What Nix says of a failed evaluation of a repository's files, with
/// `--show-trace`: the error and its place in these files, by their names in
/// the repository. `source` is where they were in the store. Safe to show.
pub fn evaluation_error(stderr: &str, source: &StorePath) -> String {
    messages::evaluation(stderr, Some(source))
}

/// The Nix of the host.
#[async_trait]
pub trait Nix: Send + Sync {
    /// Builds `flake#attribute` and pins the result by an indirect root at
    /// `root_link` in the same breath, so that no garbage collection comes
    /// between. What Nix says while it works goes to `log`, line by line, safe
    /// to show.
    ///
    /// The link appears only when all is built: dropping the future, or the
    /// deadline, ends the build and leaves an older link as it was.
    async fn build(
        &self,
        flake: &str,
        attribute: &str,
        root_link: &Path,
        deadline: Duration,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError>;

    /// Pins a path that is already in the store. Pinned already is success.
    async fn pin(&self, path: &StorePath, root_link: &Path) -> Result<(), NixError>;

    /// Whether the path is in the store and whole. Starts no process where it
    /// can be told without one.
    async fn is_valid(&self, path: &StorePath) -> Result<bool, NixError>;

    /// The hash of a flake's content as it is now, lock included. Starts no
    /// process for a `path:` flake.
    async fn flake_hash(&self, flake: &str) -> Result<NarHash, NixError>;

    /// The flake as it is now, in the store with all of its inputs, so that it
    /// can be evaluated without network. Fails where its lock does not say
    /// which inputs those are.
    async fn locked(&self, flake: &str) -> Result<LockedFlake, NixError>;

    /// Puts a repository's files into the store, as data: nothing in them is
    /// read by anybody.
    async fn add_tree(&self, files: &NixFiles) -> Result<SourceTree, NixError>;

    /// Evaluates what strangers wrote: as a user that may do nothing but talk
    /// to the Nix daemon, pure, without network, builds during the evaluation
    /// and impure derivations, within limits. What Nix says meanwhile goes to
    /// `log`, line by line, safe to show.
    async fn evaluate(&self, evaluation: &Evaluation, log: Watcher<'_>) -> Result<Evaluated, NixError>;

    /// Builds the derivation of a system and pins its output by an indirect root
    /// at `root_link`, which appears only when all is built. Dropping the
    /// future ends the build. What is no system fails although its root is
    /// there.
    async fn realise(
        &self,
        derivation: &StorePath,
        root_link: &Path,
        bounds: &BuildBounds,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError>;

    /// The bytes of a path with everything that it refers to.
    async fn closure_size(&self, path: &StorePath) -> Result<u64, NixError>;
}

/// A flake in the store, with its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedFlake {
    /// The tree that it lies in.
    pub path: StorePath,
    /// The tree's hash.
    pub nar_hash: NarHash,
    /// The folder of the tree in which its `flake.nix` lies, where that is not
    /// the top. Nix 2.8 takes no such flake from the store, and says so.
    pub folder: Option<String>,
}

/// A repository's files in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTree {
    /// Where.
    pub path: StorePath,
    /// The hash of the tree.
    pub nar_hash: NarHash,
}

/// What is evaluated, and within which limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The operator's closures flake.
    pub flake: LockedFlake,
    /// The repository's files; without them the host's default preview.
    pub source: Option<SourceTree>,
    /// The most memory.
    pub memory: Memory,
    /// The longest time.
    pub time: Duration,
}

/// What an evaluation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The derivation of the system. Strangers chose it: it may be any.
    pub derivation: StorePath,
    /// The meta as JSON, not looked at yet.
    pub meta: String,
}

/// The limits of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildBounds {
    /// The longest time of the whole.
    pub time: Duration,
    /// The longest time without a word from a builder.
    pub silent_time: Duration,
    /// The free space that the store's file system must keep, in bytes.
    pub free_min: u64,
}
