//! Reading the files in which an operator keeps secrets.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// The most bytes of a secret.
pub(crate) const SECRET_MAX: u64 = 1 << 20;

/// Why a secret could not be read.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It is not there, not a regular file, or not readable.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too large to be one.
    #[error("`{}` has more than {SECRET_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It must be text, and is not.
    #[error("`{}` is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// The bytes of a secret, gone from memory when they leave scope.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    // Not blocking: a FIFO in the place of a secret must not hang us.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let mut content = Zeroizing::new(Vec::new());
    file.take(SECRET_MAX + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > SECRET_MAX {
        return Err(SecretFileError::TooLarge { path: path.to_owned() });
    }
    Ok(content)
}

/// A secret on one line, as text without the line feed at its end.
pub(crate) fn read_line(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let content = read(path)?;
    let text = std::str::from_utf8(&content);
    let text = text.map_err(|_| SecretFileError::NotText { path: path.to_owned() })?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
