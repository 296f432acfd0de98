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
mod evaluation;
#[cfg(any(test, feature = "fake"))]
mod fake;
mod flake;
mod messages;
mod nar;
mod real;
mod realisation;
mod source_tree;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use berth_core::limits::Memory;
use berth_core::{NarHash, NixFiles, StorePath};
use thiserror::Error;

use crate::confined::ConfinedError;
use crate::exec::{ExecError, Watcher};

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeNix;
#[cfg(any(test, feature = "fake"))]
pub(crate) use self::fake::PlannedPreviews;
pub use self::real::NixCli;

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
    /// the top.
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

/// What Nix could not do.
#[derive(Debug, Error)]
pub enum NixError {
    /// Nix ran and refused or failed; what it said says why.
    #[error("`{installable}` does not build:\n{said}")]
    Build {
        /// `FLAKE#ATTRIBUTE`.
        installable: String,
        /// Nix' own error, without the trace.
        said: String,
    },
    /// Nix could not be run to its end.
    #[error(transparent)]
    Run(ExecError),
    /// Nix printed what it never printed before.
    #[error("nix told the result of `{installable}` in a form that Berth does not know")]
    Form {
        /// `FLAKE#ATTRIBUTE`.
        installable: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Not one store path came out.
    #[error(
        "`{installable}` builds {count} things; a closure is one: name its `config.system.build.toplevel`"
    )]
    NotOne {
        /// `FLAKE#ATTRIBUTE`.
        installable: String,
        /// How many.
        count: usize,
    },
    /// A path could not be pinned.
    #[error(transparent)]
    Pin(ExecError),
    /// A path could not be looked at.
    #[error("could not look at `{}`", path.display())]
    Look {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nix could not be asked whether a path is valid.
    #[error(transparent)]
    Check(ExecError),
    /// The flake has inputs that its lock does not name, or none can be had.
    #[error("the inputs of the flake `{flake}` could not be locked:\n{said}")]
    Lock {
        /// The flake.
        flake: String,
        /// Nix' own error.
        said: String,
    },
    /// Files could not be put into the store.
    #[error("could not put the repository's `.nix` files into the store")]
    AddFiles {
        /// Why they could not be laid ready.
        source: io::Error,
    },
    /// Nix did not take files into the store.
    #[error(transparent)]
    Add(ExecError),
    /// What was evaluated is wrong; Nix says what.
    #[error("{subject} does not evaluate:\n{said}")]
    Evaluation {
        /// What was evaluated, for people.
        subject: &'static str,
        /// Nix' own error, with files of the repository by their names there.
        said: String,
    },
    /// The evaluation took too long.
    #[error(
        "{subject} does not evaluate: it was not done after {} s; look for an endless recursion", after.as_secs_f32()
    )]
    EvaluationTime {
        /// What was evaluated, for people.
        subject: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The evaluation needed too much memory.
    #[error(
        "{subject} does not evaluate: it needs more than {limit} of memory; look for an endless list or text"
    )]
    EvaluationMemory {
        /// What was evaluated, for people.
        subject: &'static str,
        /// The limit.
        limit: Memory,
    },
    /// The evaluation printed too much.
    #[error("{subject} declares more than {} KiB", limit >> 10)]
    EvaluationLength {
        /// What was evaluated, for people.
        subject: &'static str,
        /// The most, in bytes.
        limit: usize,
    },
    /// The evaluation printed something else than it was asked for.
    #[error("{subject} evaluates to something that Berth does not know")]
    EvaluationForm {
        /// What was evaluated, for people.
        subject: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The evaluation could not be run to its end.
    #[error(transparent)]
    Confined(#[from] ConfinedError),
    /// The build took too long.
    #[error("the build was not done after {} s", after.as_secs_f32())]
    BuildTime {
        /// The limit.
        after: Duration,
    },
    /// The store's file system is nearly full.
    #[error(
        "the build was ended, as the file system of `{}` has {} MiB free and must keep {} MiB; \
         free some, for example with `nix-collect-garbage`",
        store.display(), free >> 20, free_min >> 20
    )]
    NoSpace {
        /// The store.
        store: PathBuf,
        /// What is free, in bytes.
        free: u64,
        /// What must stay free, in bytes.
        free_min: u64,
    },
    /// What was built cannot be started as a container.
    #[error("`{path}` is no NixOS system: `{}` in it {problem}", file.display())]
    NoSystem {
        /// What was built.
        path: StorePath,
        /// The file that is wrong.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The size of a closure could not be had.
    #[error(transparent)]
    Size(ExecError),
    /// Nix told a size in a form that it never had.
    #[error("nix told the size of `{path}` in a form that Berth does not know: `{said}`")]
    SizeForm {
        /// The path.
        path: StorePath,
        /// What it said.
        said: String,
    },
}
