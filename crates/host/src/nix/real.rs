//! The real Nix, from 2.8 on.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::{Layout, NarHash, NixFiles, StorePath};

use super::{
    BuildBounds, Evaluated, Evaluation, LockedFlake, Nix, NixError, SourceTree, build_output, evaluation,
    flake, messages, realisation, source_tree,
};
use crate::exec::{ExecError, Invocation, Watcher};
use crate::printable::printable_line;

/// Registering a root waits for a garbage collection that is under way.
const PIN: Duration = Duration::from_mins(2);
const CHECK: Duration = Duration::from_secs(30);

/// The Nix of this host.
pub struct NixCli;

#[async_trait]
impl Nix for NixCli {
    async fn build(
        &self,
        flake: &str,
        attribute: &str,
        root_link: &Path,
        deadline: Duration,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError> {
        let installable = format!("{flake}#{attribute}");
        let safe_log = |line: &str| log(&printable_line(line));
        let call = build_invocation(&installable, root_link, deadline);
        let output = call.run_watched(&safe_log).await.map_err(NixError::Run)?;
        if !output.exit.is_success() {
            return Err(NixError::Build { installable, said: messages::errors(&output.stderr.text()) });
        }
        let json = output.whole_stdout().map_err(NixError::Run)?;
        let paths = build_output::parse(json);
        let paths = paths.map_err(|source| NixError::Form { installable: installable.clone(), source })?;
        match <[StorePath; 1]>::try_from(paths) {
            Ok([path]) => Ok(path),
            Err(paths) => Err(NixError::NotOne { installable, count: paths.len() }),
        }
    }

    async fn pin(&self, path: &StorePath, root_link: &Path) -> Result<(), NixError> {
        pin_invocation(path, root_link).run().await.map(drop).map_err(NixError::Pin)
    }

    /// Nix takes the write bits away and sets the time to the first second
    /// when a path is complete, and gives the write bits back before it
    /// deletes anything in a folder. So a folder that looks finished is neither
    /// being built nor being collected, and only another look is a process.
    async fn is_valid(&self, path: &StorePath) -> Result<bool, NixError> {
        match fs::symlink_metadata(path.as_path()) {
            Ok(found) if found.is_dir() && found.mtime() == 1 && found.mode() & 0o222 == 0 => Ok(true),
            Ok(_) => is_registered(path).await,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(NixError::Look { path: path.as_path().to_owned(), source }),
        }
    }

    async fn flake_hash(&self, flake: &str) -> Result<NarHash, NixError> {
        flake::hash(flake).await
    }

    async fn locked(&self, flake: &str) -> Result<LockedFlake, NixError> {
        flake::locked(flake).await
    }

    async fn add_tree(&self, files: &NixFiles) -> Result<SourceTree, NixError> {
        source_tree::add(files, &Layout::host().run_dir()).await
    }

    async fn evaluate(&self, evaluation: &Evaluation, log: Watcher<'_>) -> Result<Evaluated, NixError> {
        evaluation::evaluate(evaluation, log).await
    }

    async fn realise(
        &self,
        derivation: &StorePath,
        root_link: &Path,
        bounds: &BuildBounds,
        log: Watcher<'_>,
    ) -> Result<StorePath, NixError> {
        realisation::realise(derivation, root_link, bounds, log).await
    }

    async fn closure_size(&self, path: &StorePath) -> Result<u64, NixError> {
        realisation::closure_size(path).await
    }
}

async fn is_registered(path: &StorePath) -> Result<bool, NixError> {
    match check_invocation(path).run().await {
        Ok(_) => Ok(true),
        Err(ExecError::Failed { stderr, .. }) if stderr.text().contains("is not valid") => Ok(false),
        Err(error) => Err(NixError::Check(error)),
    }
}

fn build_invocation(installable: &str, root_link: &Path, deadline: Duration) -> Invocation {
    Invocation::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["build", "--no-write-lock-file", "--json", "--print-build-logs", "--out-link"])
        .arg(root_link)
        .args(["--", installable])
        .aim(format!("build {installable}"))
        .deadline(deadline)
}

fn pin_invocation(path: &StorePath, root_link: &Path) -> Invocation {
    Invocation::new("nix-store")
        .args(["--realise", path.as_str(), "--add-root"])
        .arg(root_link)
        // Since 2.4 every root is indirect, and the option is taken and ignored.
        .arg("--indirect")
        .aim(format!("pin {path}"))
        .deadline(PIN)
}

fn check_invocation(path: &StorePath) -> Invocation {
    Invocation::new("nix-store")
        .args(["--check-validity", path.as_str()])
        .aim(format!("check {path}"))
        .deadline(CHECK)
}
