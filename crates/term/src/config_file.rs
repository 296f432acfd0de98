//! Reading the configuration file.

use std::io;
use std::path::{Path, PathBuf};

use berth_core::Layout;
use berth_core::config::{Config, ConfigError};
use thiserror::Error;

use crate::failure::Explained;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("could not read the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says cannot be used.
    #[error("`{}` cannot be used", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong.
        source: ConfigError,
    },
}

impl Explained for ConfigFileError {}

/// The configuration of this host, or the one in `chosen`.
///
/// A host without the file has the defaults, which are enough to begin with. A
/// file that somebody named has to be there.
pub fn load(layout: &Layout, chosen: Option<&Path>) -> Result<Config, ConfigFileError> {
    let path = chosen.map_or_else(|| layout.config_file(), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && chosen.is_none() => {
            tracing::info!(path = %path.display(), "there is no configuration file: the defaults are used");
            String::new()
        }
        Err(source) => return Err(ConfigFileError::Read { path, source }),
    };
    Config::parse(&text).map_err(|source| ConfigFileError::Invalid { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_file_has_the_defaults_but_a_named_file_must_exist() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let defaults = Config::parse("").expect("the defaults");
        assert_eq!(load(&layout, None).expect("the defaults"), defaults);
        let error = load(&layout, Some(Path::new("/nowhere/berth.toml"))).expect_err("not there");
        assert_eq!(error.to_string(), "could not read the configuration `/nowhere/berth.toml`");
    }

    #[test]
    fn all_problems_of_a_file_are_told_below_its_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("berth.toml");
        std::fs::write(&path, "subnet = \"10.0.0.0/8\"\ncolour = 1\n").expect("a file");
        let error = load(&Layout::host(), Some(&path)).expect_err("a bad file");
        let shown = crate::Failure::from(error).to_string();
        insta::assert_snapshot!(shown.replace(&path.display().to_string(), "/etc/berth/berth.toml"), @"
        error: `/etc/berth/berth.toml` cannot be used
          because: the configuration has 2 problems:
              `subnet`: `10.0.0.0/8` is a /8: take a /16 (32,512 berths) to a /24 (127 berths)
              `colour`: is unknown; known here are `subnet`, `closures`, `public_host`, `ownership`, `agent`, `preview`, `github`, `gpu`, `daemon`, `deadlines`
        ");
    }
}
