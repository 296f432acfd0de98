//! Where images and running hosts live, outside the checkout.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The folder `testhost` in the user's cache; all paths of the harness come
/// from here.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$BERTH_CACHE/testhost`, else `$XDG_CACHE_HOME/berth/testhost`, else
    /// `~/.cache/berth/testhost`.
    pub fn from_env() -> Result<Self> {
        let berth = if let Some(path) = env::var_os("BERTH_CACHE") {
            PathBuf::from(path)
        } else if let Some(path) = env::var_os("XDG_CACHE_HOME") {
            Path::new(&path).join("berth")
        } else {
            let home = env::var_os("HOME").context("neither BERTH_CACHE nor HOME is set")?;
            Path::new(&home).join(".cache/berth")
        };
        Self::at(&berth.join("testhost"))
    }

    /// A cache at this folder, which is made if it is missing.
    pub fn at(root: &Path) -> Result<Self> {
        let text = root.to_string_lossy();
        ensure!(
            root.is_absolute() && !text.contains([':', ',', '\\']),
            "the cache folder `{text}` must be absolute and without `:`, `,` and `\\`, \
             because it becomes part of mount options; set BERTH_CACHE"
        );
        std::fs::create_dir_all(root).with_context(|| format!("could not make `{text}`"))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Tells hosts of different caches apart where names are global.
    pub(crate) fn fingerprint(&self) -> String {
        // FNV-1a: short, stable, and nobody attacks it here.
        let hash = self
            .root
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        format!("{hash:08x}")
    }

    /// Held while images are built.
    pub(crate) fn build_lock(&self) -> PathBuf {
        self.root.join("build.lock")
    }

    /// A base file system made of packages.
    pub(crate) fn base(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(format!("base-{kind}-{key}"))
    }

    /// What is added to the bases: the host's layer and the store.
    pub(crate) fn image(&self, key: &str) -> PathBuf {
        self.root.join(format!("image-{key}"))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything of one booted host.
    pub(crate) fn host(&self, name: &str) -> HostFolder {
        HostFolder { root: self.root.join("hosts").join(name) }
    }

    /// Names of all hosts with a folder, running or not.
    pub(crate) fn host_names(&self) -> Result<Vec<String>> {
        let folder = self.root.join("hosts");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The folder of one booted host.
#[derive(Debug, Clone)]
pub(crate) struct HostFolder {
    root: PathBuf,
}

impl HostFolder {
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Held by whoever boots or ends this host; beside the folder, because it
    /// outlives it.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.with_extension("lock")
    }

    /// Who runs: written as soon as there is a process, replaced when it is ready.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// What the host printed while booting and ending.
    pub(crate) fn console(&self) -> PathBuf {
        self.root.join("console.log")
    }

    /// The host's `/nix`.
    pub(crate) fn nix(&self) -> PathBuf {
        self.root.join("nix")
    }

    /// A folder by name: `upper`, `work`, `root`, `containers`, `berth`.
    pub(crate) fn part(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}
