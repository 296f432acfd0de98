//! The golden files below `tests/golden`: what NixOS would install for each
//! example, kept so that it can be checked and tested without NixOS.

use std::path::PathBuf;

use crate::step;

/// Where they are: a folder for each example.
pub(crate) fn folder() -> PathBuf {
    step::checkout().join("tests/golden")
}
