//! Paths in the Nix store.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const PREFIX: &str = "/nix/store/";
const HASH_LENGTH: usize = 32;
/// Nix' own base 32: digits and letters without `e`, `o`, `t` and `u`.
const HASH_ALPHABET: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
const NAME_MAX: usize = 211;

/// A direct child of the Nix store, such as `/nix/store/<hash>-nixos-system`.
///
/// A newtype of our own, because nothing but the form is needed: no hashing,
/// no derivation parsing. The form is the one in [Nix' manual](https://nix.dev/manual/nix/latest/store/store-path);
/// it has no character that a shell, a systemd environment file or an nspawn
/// option would treat as special, so a value of this type may go anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

/// A text that is not a store path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no path of the Nix store: those are /nix/store/<32 characters>-<name>")]
pub struct StorePathError(String);

impl StorePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The first 8 characters of the hash, enough for people to tell two apart.
    pub fn short(&self) -> &str {
        &self.0[PREFIX.len()..PREFIX.len() + 8]
    }
}

impl FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, StorePathError> {
        let refuse = || StorePathError(text.escape_debug().to_string());
        let rest = text.strip_prefix(PREFIX).ok_or_else(refuse)?;
        let (hash, name) = rest.split_once('-').ok_or_else(refuse)?;
        let is_hash = hash.len() == HASH_LENGTH && hash.bytes().all(|b| HASH_ALPHABET.contains(&b));
        let is_name = (1..=NAME_MAX).contains(&name.len())
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b));
        // `?` and `=` are legal in a store name but `?` globs; no system is called so.
        if is_hash && is_name && !name.contains('?') { Ok(Self(text.to_owned())) } else { Err(refuse()) }
    }
}

text_form!(StorePath, StorePathError);

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_child_of_the_store_is_accepted() {
        let text = "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent-26.05";
        let path: StorePath = text.parse().expect("a store path");
        assert_eq!(path.as_str(), text);
        assert_eq!(path.short(), "0mq5szkz");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "/etc",
            "/nix/store",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-a/b",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-.x",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-a b",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-a\n",
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-a*",
            "/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-a",
            "/nix/store/../etc/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-a",
            "nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-a",
        ] {
            assert!(text.parse::<StorePath>().is_err(), "{text:?}");
        }
    }
}
