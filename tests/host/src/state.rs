//! What is known of a host between programs: a file in its folder.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, HostFolder};
use crate::options::Roots;
use crate::process::ProcessId;

/// What is known of a host between programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) nspawn: ProcessId,
    /// Process 1 of the host, once it is up.
    pub(crate) leader: Option<ProcessId>,
    /// Folders of the cache that the host's root is made of.
    #[serde(default)]
    pub(crate) uses: Vec<PathBuf>,
    /// What its container roots lie on.
    #[serde(default)]
    pub(crate) roots: Roots,
}

/// The state, if there is a host.
pub(crate) fn read(folder: &HostFolder) -> Result<Option<State>> {
    let path = folder.state();
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| {
            format!("could not read `{}`; end that host with `./dev host down`", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read `{}`", path.display())),
    }
}

/// Folders of the cache that some host's root is made of, running or not.
pub(crate) fn folders_in_use(cache: &Cache) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for name in cache.host_names()? {
        folders.extend(read(&cache.host(&name))?.into_iter().flat_map(|state| state.uses));
    }
    Ok(folders)
}

/// Replaces the state, whole or not at all.
pub(crate) fn write(folder: &HostFolder, state: &State) -> Result<()> {
    let path = folder.state();
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_vec(state)?)?;
    fs::rename(&unfinished, &path)?;
    Ok(())
}
