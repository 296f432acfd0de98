//! Putting a repository's files into the store.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_core::{NixFiles, StorePath};
use ssh_key::rand_core::{OsRng, RngCore};

use super::{NixError, SourceTree};
use crate::exec::Invocation;

/// The name that Nix gives to trees that it fetches. With it, `fetchTree` finds
/// the path by its hash and copies nothing.
const NAME: &str = "source";
/// What the temporary folders are called; the process and a number come next.
const PREFIX: &str = "nix-files-";
const ADD: Duration = Duration::from_mins(2);

/// Adds the files. Nothing reads them but Nix' serialisation, so root may do
/// it: only this process can write where they are laid ready.
pub(super) async fn add(files: &NixFiles, work: &Path) -> Result<SourceTree, NixError> {
    let laid = Laid::out(files, work).map_err(|source| NixError::AddFiles { source })?;
    let call = Invocation::new("nix-store")
        .args(["--add"])
        .arg(laid.0.join(NAME))
        .env("NIX_REMOTE", "daemon")
        .aim("put the repository's `.nix` files into the store")
        .deadline(ADD);
    let output = call.run().await.map_err(NixError::Add)?;
    let text = output.stdout.text();
    let path: StorePath = text
        .trim()
        .parse()
        .map_err(|error| NixError::AddFiles { source: io::Error::new(io::ErrorKind::InvalidData, error) })?;
    Ok(SourceTree { path, nar_hash: files.nar_hash() })
}

/// A folder with the files, gone when this is dropped.
struct Laid(PathBuf);

impl Laid {
    fn out(files: &NixFiles, work: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(work)?;
        remove_abandoned(work)?;
        let laid = Self(work.join(format!("{PREFIX}{}-{:016x}", std::process::id(), OsRng.next_u64())));
        DirBuilder::new().mode(0o700).create(&laid.0)?;
        let top = laid.0.join(NAME);
        fs::create_dir(&top)?;
        for (path, content) in files {
            let path = top.join(path);
            fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
            File::options().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)?;
        }
        Ok(laid)
    }
}

/// Removes what killed processes have left in the folder that files are laid
/// out in.
pub(crate) fn remove_abandoned(work: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(work) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if owner.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
            match fs::remove_dir_all(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

impl Drop for Laid {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nix::nar;

    #[test]
    fn what_is_laid_out_has_the_hash_of_the_files_and_goes_again() {
        let work = tempfile::tempdir().expect("a folder");
        let mut files = NixFiles::new();
        for (path, content) in [("preview-config.nix", "{ }"), ("a/b/c.nix", ""), ("a/d.nix", "1\n")] {
            files.insert(path, content.into()).expect(path);
        }
        let laid = Laid::out(&files, work.path()).expect("laid out");
        assert_eq!(nar::hash(&laid.0.join(NAME)).expect("hashed"), files.nar_hash());
        fs::create_dir_all(work.path().join("nix-files-0-0/source")).expect("made");
        let other = Laid::out(&NixFiles::new(), work.path()).expect("laid out");
        assert!(laid.0.exists(), "this process lives");
        drop((laid, other));
        assert_eq!(fs::read_dir(work.path()).expect("a folder").count(), 0);
    }
}
