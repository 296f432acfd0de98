//! The operator's closures flake: its content, and its inputs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_core::{NarHash, StorePath};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::{LockedFlake, NixError, build_output, messages, nar};
use crate::exec::Invocation;

/// Inputs may have to be fetched.
const LOCK: Duration = Duration::from_mins(10);

/// What `nix flake metadata --json` tells. The fields around these differ
/// between versions.
#[derive(Deserialize)]
struct Metadata {
    path: String,
    #[serde(default)]
    resolved: Resolved,
}

#[derive(Default, Deserialize)]
struct Resolved {
    dir: Option<String>,
}

/// The hash of the flake's tree as it is now.
pub(super) async fn hash(flake: &str) -> Result<NarHash, NixError> {
    // Nix would copy and hash the same folder.
    match folder_of(flake) {
        Some(folder) => hash_of(folder).await,
        None => hash_of(metadata(flake).await?.0.as_path().to_owned()).await,
    }
}

/// The flake's tree in the store, after its inputs were brought there.
pub(super) async fn locked(flake: &str) -> Result<LockedFlake, NixError> {
    ask(flake, &["archive", "--json", "--no-update-lock-file"], "bring the inputs of").await?;
    let (path, folder) = metadata(flake).await?;
    let nar_hash = hash_of(path.as_path().to_owned()).await?;
    Ok(LockedFlake { path, nar_hash, folder })
}

/// The folder of a `path:` flake that Nix takes whole.
fn folder_of(flake: &str) -> Option<PathBuf> {
    let path = Path::new(flake.strip_prefix("path:")?);
    let is_plain = path.is_absolute() && !flake.contains(['?', '%', '#']);
    is_plain.then(|| path.to_owned())
}

async fn hash_of(path: PathBuf) -> Result<NarHash, NixError> {
    let look = |source| NixError::Look { path: path.clone(), source };
    let folder = path.clone();
    spawn_blocking(move || nar::hash(&folder)).await.map_err(|error| look(error.into()))?.map_err(look)
}

async fn metadata(flake: &str) -> Result<(StorePath, Option<String>), NixError> {
    let json = ask(flake, &["metadata", "--json", "--no-update-lock-file"], "look at").await?;
    parse(&json).map_err(|source| NixError::Form { installable: flake.to_owned(), source })
}

fn parse(json: &[u8]) -> Result<(StorePath, Option<String>), serde_json::Error> {
    let metadata: Metadata = serde_json::from_slice(json)?;
    let path = build_output::store_path(&metadata.path).map_err(serde::de::Error::custom)?;
    Ok((path, metadata.resolved.dir.filter(|folder| !folder.is_empty())))
}

async fn ask(flake: &str, question: &[&str], aim: &str) -> Result<Vec<u8>, NixError> {
    let call = Invocation::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes", "flake"])
        .args(question.iter().copied())
        .args(["--", flake])
        .aim(format!("{aim} the flake {flake}"))
        .deadline(LOCK);
    let output = call.run_any().await.map_err(NixError::Run)?;
    if !output.exit.is_success() {
        let said = messages::errors(&output.stderr.text());
        return Err(NixError::Lock { flake: flake.to_owned(), said });
    }
    Ok(output.whole_stdout().map_err(NixError::Run)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_folder_is_hashed_without_nix() {
        assert_eq!(folder_of("path:/etc/berth/closures"), Some("/etc/berth/closures".into()));
        for flake in
            ["path:/x?dir=y", "path:./x", "github:acme/closures", "/etc/nixos", "git+file:///etc/nixos"]
        {
            assert_eq!(folder_of(flake), None, "{flake}");
        }
    }

    #[test]
    fn the_forms_of_all_versions_are_read() {
        let path: StorePath = "/nix/store/j1n2ab2sgk140irwws8vkhbh5a1ky7lz-source".parse().expect("a path");
        // 2.8
        let json = br#"{"locked":{"narHash":"sha256-x","path":"/x","type":"path"},"path":"/nix/store/j1n2ab2sgk140irwws8vkhbh5a1ky7lz-source","resolved":{"path":"/x","type":"path"}}"#;
        assert_eq!(parse(json).expect("2.8"), (path.clone(), None));
        // 2.31, a folder of a git repository
        let json = br#"{"dirtyRevision":"x","fingerprint":"x","path":"/nix/store/j1n2ab2sgk140irwws8vkhbh5a1ky7lz-source","resolved":{"dir":"closures","type":"git","url":"file:///etc/nixos"}}"#;
        assert_eq!(parse(json).expect("2.31"), (path, Some("closures".to_owned())));
        assert!(parse(b"{}").is_err());
    }
}
