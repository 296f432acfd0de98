//! Passwords of the previews' database roles, in files that only root reads.
//!
//! A password is made once and kept until the preview goes: its containers come
//! and go, and two of them share the database during an update. Callers hold
//! the lock of the preview.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use berth_core::{Layout, PreviewId};
use secrecy::SecretString;
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::private_folder::private_folder;
use crate::replace_file::replace_file;

/// As many bits as the hash that PostgreSQL derives its keys with.
const BYTES: usize = 32;

/// Why there is no password to use.
#[derive(Debug, Error)]
pub enum DatabasePasswordError {
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
    /// The system gave no random bytes.
    #[error("could not make a password for a database")]
    Make(#[source] io::Error),
    /// What lies there is no password of Berth's.
    #[error("`{}` holds no password that Berth has made; move it away and Berth makes another", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
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

/// The password of a preview's role; makes one where there is none. It is on
/// the disk when it is returned.
pub fn read_or_make(layout: &Layout, id: PreviewId) -> Result<SecretString, DatabasePasswordError> {
    let path = layout.database_password(id);
    match read(&path)? {
        Some(password) => Ok(password),
        None => make(layout, &path),
    }
}

/// Removes the password. Not there is success.
pub fn remove(layout: &Layout, id: PreviewId) -> Result<(), DatabasePasswordError> {
    let path = layout.database_password(id);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DatabasePasswordError::Io { action: "remove", path, source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The previews that have one.
pub fn list(layout: &Layout) -> Result<BTreeSet<PreviewId>, DatabasePasswordError> {
    let folder = layout.secrets_dir();
    let failed = |source| DatabasePasswordError::Io { action: "list", path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        found.extend(name.to_str().and_then(|name| PreviewId::from_database(name).ok()));
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Option<SecretString>, DatabasePasswordError> {
    let failed = |source| DatabasePasswordError::Io { action: "read", path: path.to_owned(), source };
    let mode = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => found.mode() & 0o7777,
        Ok(_) => return Err(DatabasePasswordError::Unreadable { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if mode & 0o077 != 0 {
        return Err(DatabasePasswordError::Exposed { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(fs::read(path).map_err(failed)?);
    let is_ours = text.len() == 2 * BYTES && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match str::from_utf8(&text) {
        Ok(text) if is_ours => Ok(Some(SecretString::from(text))),
        Ok(_) | Err(_) => Err(DatabasePasswordError::Unreadable { path: path.to_owned() }),
    }
}

fn make(layout: &Layout, path: &Path) -> Result<SecretString, DatabasePasswordError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| DatabasePasswordError::Io { action, path, source }
    };
    let folder = layout.secrets_dir();
    private_folder(&folder).map_err(failed("make", &folder))?;
    let password = random_hex().map_err(DatabasePasswordError::Make)?;
    replace_file(path, password.as_bytes(), 0o600).map_err(failed("write", path))?;
    Ok(SecretString::from(password.as_str()))
}

fn random_hex() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    OsRng.try_fill_bytes(&mut *bytes).map_err(|error| io::Error::other(error.to_string()))?;
    // With room for all of it from the start: growing would leave copies.
    let mut text = Zeroizing::new(String::with_capacity(2 * BYTES));
    for byte in &*bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("four bits are a digit"));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        (folder, layout)
    }

    fn made(layout: &Layout, id: i64) -> String {
        read_or_make(layout, PreviewId::new(id)).expect("a password").expose_secret().to_owned()
    }

    #[test]
    fn a_password_is_made_once_for_each_preview_and_only_for_root() {
        let (_folder, layout) = layout();
        let password = made(&layout, 42);
        assert_eq!(password.len(), 64);
        assert_eq!(made(&layout, 42), password);
        assert_ne!(made(&layout, 43), password);
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!(mode(&layout.secrets_dir()), 0o700);
        assert_eq!(mode(&layout.database_password(PreviewId::new(42))), 0o600);
    }

    #[test]
    fn what_is_removed_is_not_listed_and_removing_twice_is_no_error() {
        let (_folder, layout) = layout();
        let [one, other] = [1, 2].map(PreviewId::new);
        assert!(list(&layout).expect("no folder yet").is_empty());
        made(&layout, 1);
        made(&layout, 2);
        // What a killed process left aside, and another secret.
        fs::write(layout.secrets_dir().join(".berth_d3.77"), "").expect("written");
        fs::write(layout.secrets_dir().join("token"), "").expect("written");
        assert_eq!(list(&layout).expect("listed"), [one, other].into());
        for _ in 0..2 {
            remove(&layout, one).expect("removed");
            assert_eq!(list(&layout).expect("listed"), [other].into());
        }
    }

    #[test]
    fn a_file_that_berth_did_not_leave_so_is_neither_used_nor_replaced() {
        let (_folder, layout) = layout();
        let id = PreviewId::new(42);
        let path = layout.database_password(id);
        let good = made(&layout, 42);
        for damaged in ["", "poison", &good[1..], &format!("{good}\n"), &good.to_uppercase()] {
            fs::write(&path, damaged).expect("damaged");
            let error = read_or_make(&layout, id).expect_err("damaged");
            assert!(matches!(error, DatabasePasswordError::Unreadable { .. }), "{damaged}: {error}");
            assert!(damaged.is_empty() || !format!("{error:?} {error}").contains(damaged));
            assert_eq!(fs::read_to_string(&path).expect("still there"), damaged);
        }
        fs::write(&path, &good).expect("repaired");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("exposed");
        let error = read_or_make(&layout, id).expect_err("exposed");
        assert!(matches!(error, DatabasePasswordError::Exposed { mode: 0o640, .. }));
        fs::remove_file(&path).expect("moved away");
        std::os::unix::fs::symlink("elsewhere", &path).expect("a link");
        assert!(matches!(read_or_make(&layout, id), Err(DatabasePasswordError::Unreadable { .. })));
    }
}
