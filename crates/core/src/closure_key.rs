//! What the closure of a preview is made from, and the key under which it is
//! kept.
//!
//! A repository takes part with its `.nix` files only: [`NixFiles`]. Their
//! content, the content of the operator's closures flake and the host's
//! settings together are all that an evaluation sees, so their hash, the
//! [`ClosureKey`], names the result: two commits that differ in nothing else
//! share one closure.

mod nar;

use std::collections::{BTreeMap, btree_map};
use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use self::nar::{NarHash, NarHasher};

/// The file that makes a repository one with a preview configuration.
pub const PREVIEW_CONFIG: &str = "preview-config.nix";

/// The most files of a repository that take part.
pub const FILES_MAX: usize = 2000;
/// The most that they may hold together, in bytes.
pub const BYTES_MAX: usize = 8 << 20;
/// The longest path, in bytes.
const PATH_MAX: usize = 1024;
/// The longest name of a file or folder, as the kernel has it.
const NAME_MAX: usize = 255;

/// The `.nix` files of a repository at one commit: path in the repository and
/// content.
///
/// Paths are relative, have no `.`, `..`, empty or overlong component and no
/// NUL, and none of them lies below another one, so that all can be written
/// below one folder and nothing elsewhere. There are no links: what is inside
/// has a content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NixFiles(BTreeMap<String, Vec<u8>>);

/// Why a file cannot take part.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NixFilesError {
    /// The path could lead elsewhere.
    #[error("`{path}` is no path of a file in a repository: {problem}")]
    Path {
        /// The path, control characters made visible.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two paths cannot both be there.
    #[error("`{path}` is there twice, or is a file and a folder")]
    Twice {
        /// The path.
        path: String,
    },
    /// There are too many.
    #[error(
        "the repository has more than {FILES_MAX} `.nix` files: a preview takes them all; leave generated ones out"
    )]
    TooMany,
    /// They hold too much.
    #[error(
        "the `.nix` files of the repository are larger than {} MiB together, counted up to `{path}`: \
         a preview takes them all; leave generated ones out",
        BYTES_MAX >> 20
    )]
    TooLarge {
        /// The file that is too much.
        path: String,
    },
}

impl NixFiles {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    pub fn insert(&mut self, path: impl Into<String>, content: Vec<u8>) -> Result<(), NixFilesError> {
        let path = path.into();
        let shown = || path.escape_debug().to_string();
        if let Some(problem) = problem_of(&path) {
            return Err(NixFilesError::Path { path: shown(), problem });
        }
        if self.0.len() == FILES_MAX {
            return Err(NixFilesError::TooMany);
        }
        let held: usize = self.0.values().map(Vec::len).sum();
        if held + content.len() > BYTES_MAX {
            return Err(NixFilesError::TooLarge { path: shown() });
        }
        if self.0.contains_key(&path) || self.has_below(&path) || self.has_above(&path) {
            return Err(NixFilesError::Twice { path: shown() });
        }
        self.0.insert(path, content);
        Ok(())
    }

    /// All files by path.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Vec<u8>> {
        self.0.iter()
    }

    /// Whether the repository has a `preview-config.nix` at its top.
    pub fn has_preview_config(&self) -> bool {
        self.0.contains_key(PREVIEW_CONFIG)
    }

    /// Nix' hash of a folder with these files.
    pub fn nar_hash(&self) -> NarHash {
        let mut hasher = NarHasher::new();
        let files: Vec<(&str, &[u8])> =
            self.0.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        folder(&mut hasher, &files);
        hasher.finish()
    }

    fn has_below(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.0.range(folder.clone()..).next().is_some_and(|(found, _)| found.starts_with(&folder))
    }

    fn has_above(&self, path: &str) -> bool {
        path.match_indices('/').any(|(at, _)| self.0.contains_key(&path[..at]))
    }
}

impl<'a> IntoIterator for &'a NixFiles {
    type Item = (&'a String, &'a Vec<u8>);
    type IntoIter = btree_map::Iter<'a, String, Vec<u8>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn problem_of(path: &str) -> Option<&'static str> {
    let has = |component: fn(&str) -> bool| path.split('/').any(component);
    if path.is_empty() || path.starts_with('/') {
        Some("it must be relative")
    } else if path.contains('\0') {
        Some("it has a NUL")
    } else if has(|name| name.is_empty() || name == "." || name == "..") {
        Some("it has an empty component, `.` or `..`")
    } else if path.len() > PATH_MAX || has(|name| name.len() > NAME_MAX) {
        Some("it is too long")
    } else {
        None
    }
}

/// Tells the hasher of a folder with these files.
fn folder(hasher: &mut NarHasher, files: &[(&str, &[u8])]) {
    let mut entries: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
    for (path, content) in files {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        entries.entry(name).or_default().push((rest, content));
    }
    hasher.begin_folder();
    for (name, below) in entries {
        hasher.begin_entry(name.as_bytes());
        match below.as_slice() {
            [("", content)] => hasher.file(content, false),
            below => folder(hasher, below),
        }
        hasher.end_entry();
    }
    hasher.end_folder();
}

/// What names the closure of a preview: the hash of everything that enters its
/// evaluation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClosureKey([u8; 32]);

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no key of a closure: those have 64 digits")]
pub struct ClosureKeyError(String);

/// Changes with the meaning of what is hashed, so that no closure of an older
/// Berth is taken for one of this.
const GENERATION: &[u8] = b"berth closure 1";

impl ClosureKey {
    /// The key of what these files (or the host's default, without any), this
    /// closures flake and these settings make.
    pub fn new(files: Option<&NixFiles>, flake: &NarHash, settings: &[(&str, &str)]) -> Self {
        let mut hasher = Sha256::new();
        // Each with its length, so that no two lists of fields are one text.
        let mut field = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(GENERATION);
        match files {
            Some(files) => field(files.nar_hash().bytes()),
            None => field(b"default"),
        }
        field(flake.bytes());
        for (name, value) in settings {
            field(name.as_bytes());
            field(value.as_bytes());
        }
        Self(hasher.finalize().into())
    }

    /// Its first 64 bits: the number of the lock of whoever builds it.
    pub fn lock_number(&self) -> u64 {
        self.0[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

impl fmt::Display for ClosureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            write!(text, "{byte:02x}")?;
        }
        f.pad(&text)
    }
}

impl fmt::Debug for ClosureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClosureKey({self})")
    }
}

impl FromStr for ClosureKey {
    type Err = ClosureKeyError;

    /// The form in which it is shown, and no other.
    fn from_str(text: &str) -> Result<Self, ClosureKeyError> {
        let refuse = || ClosureKeyError(text.escape_debug().to_string());
        let is_hex = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests;
