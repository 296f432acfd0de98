//! What can go wrong with repositories.

use std::io;
use std::path::PathBuf;

use berth_core::closure_key::NixFilesError;
use berth_core::config::Forge;
use berth_core::limits::Memory;
use berth_core::{CommitSha, PreviewId, RepoName};
use thiserror::Error;

use super::Wanted;
use crate::confined::ConfinedError;
use crate::exec::ExecError;
use crate::lock::LockError;

/// What git could not do.
#[derive(Debug, Error)]
pub enum RepoError {
    /// A token that cannot be one.
    #[error(
        "the forge's token is empty or not one word of visible ASCII: correct the file that `preview.token` names"
    )]
    Token,
    /// The repository has no such branch or pull request.
    #[error("there is no {wanted} in `{repo}`")]
    NoReference {
        /// The repository.
        repo: RepoName,
        /// What it does not have.
        wanted: Wanted,
    },
    /// The commit is not one of this reference.
    #[error(
        "`{}` is no commit of {wanted} of `{repo}`: it belongs to another branch or to a fork, or the {} was \
         rewritten; without a commit its newest is taken",
        commit.short(),
        match wanted { Wanted::Branch(_) => "branch", Wanted::Pull(_) => "pull request" }
    )]
    Elsewhere {
        /// The repository.
        repo: RepoName,
        /// Where the commit should be.
        wanted: Wanted,
        /// The commit.
        commit: CommitSha,
    },
    /// The reference leads to something else than a commit.
    #[error("{wanted} of `{repo}` is no commit")]
    NoCommit {
        /// The repository.
        repo: RepoName,
        /// The reference.
        wanted: Wanted,
    },
    /// The forge knows no such repository, or does not show it to us: forges
    /// do not tell the two apart.
    #[error(
        "there is no `{repo}` at `{}`, or {}",
        forge.as_str(),
        if *with_token { "the token may not read it" } else { "it is private: configure a token that may read it" }
    )]
    NoRepository {
        /// The repository.
        repo: RepoName,
        /// Where it was looked for.
        forge: Forge,
        /// Whether a token was there to be shown.
        with_token: bool,
    },
    /// The forge refuses the token.
    #[error("`{}` does not accept the token for `{repo}`: it is wrong, or its time is over", forge.as_str())]
    TokenRefused {
        /// The repository.
        repo: RepoName,
        /// Who refused.
        forge: Forge,
    },
    /// The forge was not reached, or it failed.
    #[error("could not fetch `{repo}` from `{}`: {said}", forge.as_str())]
    Forge {
        /// The repository.
        repo: RepoName,
        /// Who failed.
        forge: Forge,
        /// What git says of it.
        said: String,
    },
    /// The repository is larger than the operator allows.
    #[error("`{repo}` is larger than {largest}, the most that is fetched at once")]
    TooLarge {
        /// The repository.
        repo: RepoName,
        /// The limit.
        largest: Memory,
    },
    /// The forge sent objects that git does not take.
    #[error("`{repo}` has objects that git refuses: {said}")]
    BadObjects {
        /// The repository.
        repo: RepoName,
        /// What git says of them.
        said: String,
    },
    /// The file system is full.
    #[error("could not fetch `{repo}`: the file system of the mirrors is full")]
    Full {
        /// The repository.
        repo: RepoName,
    },
    /// Another fetch holds the mirror although its caller is gone.
    #[error("the mirror of `{repo}` is busy with a fetch that was given up; try again in a minute")]
    Busy {
        /// The repository.
        repo: RepoName,
    },
    /// The mirror's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The mirror does not have this commit.
    #[error("the mirror {mirror} has no commit `{commit}`: fetch it first")]
    NotFetched {
        /// The row id of the repository.
        mirror: i64,
        /// The commit.
        commit: CommitSha,
    },
    /// A link in the repository that leads out of it.
    #[error("`{file}` is a symbolic link to `{target}`, which is outside the repository")]
    LeavesRepository {
        /// The link.
        file: String,
        /// Where it leads.
        target: String,
    },
    /// A path that no message can show as it is.
    #[error("`{file}` is not UTF-8 without control characters, which the paths of Nix files must be")]
    BadPath {
        /// The path, made safe to show.
        file: String,
    },
    /// A file that no evaluation gets.
    #[error(transparent)]
    NixFiles(#[from] NixFilesError),
    /// More files than are taken.
    #[error("`{}` has more than {max} files that end in `.nix`, or too many of all kinds", commit.short())]
    TooManyFiles {
        /// The commit.
        commit: CommitSha,
        /// The most that end in `.nix`.
        max: usize,
    },
    /// Larger files than are taken.
    #[error("the files of `{}` that end in `.nix` are larger than {max} MiB together", commit.short())]
    NixFilesTooLarge {
        /// The commit.
        commit: CommitSha,
        /// The most, in MiB.
        max: usize,
    },
    /// The preview's own repository could not be written.
    #[error("could not write the repository of preview {preview}: {said}")]
    Publish {
        /// The preview.
        preview: PreviewId,
        /// What git says.
        said: String,
    },
    /// The preview's own repository could not be removed.
    #[error("could not remove the repository of preview {preview}: {said}")]
    Remove {
        /// The preview.
        preview: PreviewId,
        /// What git says.
        said: String,
    },
    /// The mirror could not be read.
    #[error("could not read the mirror {mirror}: {said}")]
    Read {
        /// The row id of the repository.
        mirror: i64,
        /// What git says.
        said: String,
    },
    /// Git could not be run to its end.
    #[error(transparent)]
    Run(#[from] ConfinedError),
    /// The folder for the mirrors or the source repositories could not be made.
    #[error(transparent)]
    MakeFolder(ExecError),
    /// The folder of the source repositories could not be read.
    #[error("could not list `{}`", folder.display())]
    List {
        /// The folder.
        folder: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
