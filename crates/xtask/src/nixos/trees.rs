//! Which nixpkgs and which disko.

use std::env;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Trees that the caller gives.
pub(super) struct Trees {
    nixpkgs: PathBuf,
    disko: Option<PathBuf>,
}

impl Trees {
    /// `BERTH_NIXPKGS`, and `BERTH_DISKO` if it is set.
    pub(super) fn from_env() -> Result<Self> {
        let folder = |name: &str| -> Result<Option<PathBuf>> {
            let Some(path) = env::var_os(name) else { return Ok(None) };
            let path = PathBuf::from(path);
            let found = path.canonicalize().with_context(|| format!("{name}: `{}`", path.display()))?;
            Ok(Some(found))
        };
        let nixpkgs = folder("BERTH_NIXPKGS")?
            .context("which nixpkgs? set BERTH_NIXPKGS to a tree of it, and BERTH_DISKO to one of disko")?;
        let lib = nixpkgs.join("nixos/lib/eval-config.nix");
        ensure!(lib.exists(), "BERTH_NIXPKGS: `{}` is no nixpkgs: it has no NixOS", nixpkgs.display());
        Ok(Self { nixpkgs, disko: folder("BERTH_DISKO")? })
    }

    /// For a file that is a function of them.
    pub(super) fn arguments(&self) -> Vec<String> {
        let given =
            |name: &str, path: &PathBuf| ["--arg".to_owned(), name.to_owned(), path.display().to_string()];
        let disko = self.disko.iter().flat_map(|path| given("disko", path));
        given("nixpkgs", &self.nixpkgs).into_iter().chain(disko).collect()
    }

    /// As an attribute set.
    pub(super) fn as_set(&self) -> String {
        let disko = self.disko.as_ref().map_or_else(|| "null".to_owned(), |path| path.display().to_string());
        format!("{{ nixpkgs = {}; disko = {disko}; }}", self.nixpkgs.display())
    }
}

impl fmt::Display for Trees {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = std::fs::read_to_string(self.nixpkgs.join("lib/.version")).unwrap_or_default();
        write!(to, "nixpkgs {} at {}", version.trim(), self.nixpkgs.display())?;
        if self.disko.is_none() {
            write!(to, ", without disko")?;
        }
        Ok(())
    }
}
