//! Berth's own client key, with which it enters its containers.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use berth_core::Layout;
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use thiserror::Error;

use crate::private_folder::private_folder;
use crate::replace_file::make_file;

/// What the key calls itself in an `authorized_keys` file.
const COMMENT: &str = "berth";

/// Why there is no client key to use.
#[derive(Debug, Error)]
pub enum ClientKeyError {
    /// The system refused.
    #[error("could not {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No key could be made.
    #[error("could not make Berth's ssh key")]
    Make(#[source] ssh_key::Error),
    /// What lies there is no key.
    #[error("`{}` is no ed25519 key without a passphrase; move it away and Berth makes another", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the parser says.
        source: ssh_key::Error,
    },
    /// Somebody else may read it.
    #[error(
        "`{}` has the mode {mode:04o}, so others may have read it; move it away and Berth makes another",
        path.display()
    )]
    Exposed {
        /// The path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// The public half as a line for `authorized_keys`. Makes the pair on first
/// need; when two do so at once, both get the pair of whoever was first.
pub fn public_line(layout: &Layout) -> Result<String, ClientKeyError> {
    let path = layout.client_key();
    match read(&path)? {
        Some(line) => Ok(line),
        None => {
            make(layout)?;
            let gone = || io::Error::from(io::ErrorKind::NotFound);
            read(&path)?.ok_or_else(|| ClientKeyError::Io { action: "read", path, source: gone() })
        }
    }
}

/// The public half of the key at `path`, if there is one.
fn read(path: &Path) -> Result<Option<String>, ClientKeyError> {
    let failed = |source| ClientKeyError::Io { action: "read", path: path.to_owned(), source };
    let mode = match fs::symlink_metadata(path) {
        Ok(found) => found.mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if mode & 0o077 != 0 {
        return Err(ClientKeyError::Exposed { path: path.to_owned(), mode });
    }
    let text = PrivateKey::read_openssh_file(path)
        .map_err(|source| ClientKeyError::Unreadable { path: path.to_owned(), source })?;
    public_half(&text)
        .map(Some)
        .map_err(|source| ClientKeyError::Unreadable { path: path.to_owned(), source })
}

fn public_half(key: &PrivateKey) -> Result<String, ssh_key::Error> {
    if key.is_encrypted() {
        return Err(ssh_key::Error::Encrypted);
    }
    key.public_key().to_openssh()
}

/// Makes the pair, unless somebody else has made it first.
fn make(layout: &Layout) -> Result<(), ClientKeyError> {
    let folder = layout.keys_dir();
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ClientKeyError::Io { action, path, source }
    };
    private_folder(&folder).map_err(io("make", &folder))?;
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(ClientKeyError::Make)?;
    key.set_comment(COMMENT);
    let text = key.to_openssh(LineEnding::LF).map_err(ClientKeyError::Make)?;
    let path = layout.client_key();
    make_file(&path, text.as_bytes(), 0o600).map_err(io("make", &path))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        (folder, layout)
    }

    #[test]
    fn the_pair_is_made_once_and_only_for_its_owner() {
        let (_folder, layout) = layout();
        let line = public_line(&layout).expect("a key");
        assert!(line.starts_with("ssh-ed25519 AAAA") && line.ends_with(" berth"), "{line}");
        assert_eq!(public_line(&layout).expect("the same key"), line);
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!(mode(&layout.keys_dir()), 0o700);
        assert_eq!(mode(&layout.client_key()), 0o600);
        assert_eq!(fs::read_dir(layout.keys_dir()).expect("a folder").count(), 1);
    }

    #[test]
    fn many_first_needs_at_once_get_one_pair() {
        let (_folder, layout) = layout();
        let lines: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| public_line(&layout).expect("a key"))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(fs::read_dir(layout.keys_dir()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_key_that_others_could_read_is_not_used() {
        let (_folder, layout) = layout();
        public_line(&layout).expect("a key");
        fs::set_permissions(layout.client_key(), Permissions::from_mode(0o640)).expect("exposed");
        assert!(matches!(public_line(&layout), Err(ClientKeyError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let (_folder, layout) = layout();
        public_line(&layout).expect("a key");
        fs::write(layout.client_key(), "not a key").expect("damaged");
        assert!(matches!(public_line(&layout), Err(ClientKeyError::Unreadable { .. })));
        assert_eq!(fs::read(layout.client_key()).expect("still there"), b"not a key");
    }
}
