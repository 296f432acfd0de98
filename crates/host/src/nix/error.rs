//! What can go wrong with Nix.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use berth_core::StorePath;
use berth_core::limits::Memory;
use thiserror::Error;

use crate::confined::ConfinedError;
use crate::exec::ExecError;

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
