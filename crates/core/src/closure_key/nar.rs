//! Nix' hash of a file or folder: SHA-256 of its NAR serialisation.
//!
//! The format is the one in [Nix' manual](https://nix.dev/manual/nix/latest/protocols/nix-archive).
//! Hashing it here costs no process and is the same in every version of Nix.

use std::fmt;

use sha2::{Digest, Sha256};

/// The hash that Nix calls `narHash`. Shown in the form that a flake's lock has:
/// `sha256-` and base 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NarHash([u8; 32]);

impl NarHash {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::from("sha256-");
        for chunk in self.0.chunks(3) {
            let number = (0..3).fold(0_usize, |n, i| n << 8 | usize::from(*chunk.get(i).unwrap_or(&0)));
            for (digit, shift) in [18, 12, 6, 0].into_iter().enumerate() {
                let is_there = digit <= chunk.len();
                text.push(if is_there { char::from(DIGITS[number >> shift & 63]) } else { '=' });
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NarHash({self})")
    }
}

/// Hashes a tree while it is walked. The caller tells one node: a file, a link,
/// or a folder whose entries it tells in the order of their names' bytes.
#[derive(Clone)]
pub struct NarHasher(Sha256);

impl Default for NarHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl NarHasher {
    /// Begins.
    pub fn new() -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.text(b"nix-archive-1");
        hasher
    }

    /// A regular file.
    pub fn file(&mut self, content: &[u8], is_executable: bool) {
        self.texts(&[b"(", b"type", b"regular"]);
        if is_executable {
            self.texts(&[b"executable", b""]);
        }
        self.texts(&[b"contents", content, b")"]);
    }

    /// A symbolic link.
    pub fn link(&mut self, target: &[u8]) {
        self.texts(&[b"(", b"type", b"symlink", b"target", target, b")"]);
    }

    /// A folder begins.
    pub fn begin_folder(&mut self) {
        self.texts(&[b"(", b"type", b"directory"]);
    }

    /// An entry of the folder begins: tell its node next.
    pub fn begin_entry(&mut self, name: &[u8]) {
        self.texts(&[b"entry", b"(", b"name", name, b"node"]);
    }

    /// The entry's node was told.
    pub fn end_entry(&mut self) {
        self.text(b")");
    }

    /// All entries were told.
    pub fn end_folder(&mut self) {
        self.text(b")");
    }

    /// The hash.
    pub fn finish(self) -> NarHash {
        NarHash(self.0.finalize().into())
    }

    fn texts(&mut self, texts: &[&[u8]]) {
        for text in texts {
            self.text(text);
        }
    }

    /// Length, bytes, and zeros up to a multiple of eight.
    fn text(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self.0.update(&[0; 8][..bytes.len().next_multiple_of(8) - bytes.len()]);
    }
}
