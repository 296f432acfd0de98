//! Reading the webhook's secrets from files.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use berth_core::delivery::{WebhookSecret, WebhookSecretError};
use rustix::fs::OFlags;
use thiserror::Error;
use zeroize::Zeroizing;

/// Whether everybody on the host may read or write it.
const OTHERS: u32 = 0o007;

/// Why a secret cannot be used. The messages tell nothing of it.
#[derive(Debug, Error)]
pub(crate) enum SecretError {
    #[error("the secret `{}` cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the secret `{}` is open to all users of the host: `chmod o= {}`", path.display(), path.display())]
    Open { path: PathBuf },
    #[error("`{}` holds no secret that can be used", path.display())]
    Unusable { path: PathBuf, source: WebhookSecretError },
}

impl SecretError {
    /// Whether there is no such file.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a secret. Line ends after it are not part of it.
pub(crate) fn read(path: &Path) -> Result<WebhookSecret, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    // Not blocking: a FIFO in the place of a secret must not hang us.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    if has_others(&metadata.permissions()) {
        return Err(SecretError::Open { path: path.to_owned() });
    }
    // As large as it may become, so that no part of it stays in a buffer that
    // was left for a larger one.
    let most = WebhookSecret::MAX + 2;
    let mut content = Zeroizing::new(Vec::with_capacity(most + 1));
    file.take(most as u64).read_to_end(&mut content).map_err(unreadable)?;
    WebhookSecret::new(&content).map_err(|source| SecretError::Unusable { path: path.to_owned(), source })
}

fn has_others(permissions: &Permissions) -> bool {
    permissions.mode() & OTHERS != 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), content).expect("written");
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).expect("changed");
        file
    }

    #[test]
    fn a_secret_is_read_without_its_line_end() {
        for content in [&b"a secret of these days"[..], b"a secret of these days\n"] {
            let read = read(file(content, 0o440).path()).expect("a secret");
            let expected = WebhookSecret::new(b"a secret of these days").expect("a secret");
            assert!(read.sign(b"x").verify(&[expected], b"x"));
        }
    }

    #[test]
    fn what_all_can_read_is_no_secret() {
        for mode in [0o604, 0o602, 0o444] {
            let refused = read(file(b"a secret of these days", mode).path()).expect_err("no secret");
            assert!(matches!(refused, SecretError::Open { .. }), "{mode:o}");
        }
    }

    #[test]
    fn an_empty_a_missing_and_an_endless_file_are_refused_and_nothing_of_them_is_told() {
        let empty = read(file(b"\n", 0o400).path()).expect_err("no secret");
        assert!(matches!(empty, SecretError::Unusable { .. }) && !empty.is_absent());
        let endless = read(file(&b"poison".repeat(10_000), 0o400).path()).expect_err("no secret");
        assert!(!format!("{endless:?} {endless}").contains("poison"));
        assert!(read(Path::new("/nonexistent/secret")).expect_err("no secret").is_absent());
        assert!(!read(Path::new("/")).expect_err("no secret").is_absent());
    }
}
