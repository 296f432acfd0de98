//! What Nix said during one build, kept in a file.

use std::error::Error;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::iter;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use berth_core::Layout;

use crate::printable::printable;

/// The most that a log holds, in bytes. Its beginning is kept: the error that
/// ended a build is written behind it.
const LOG_MAX: usize = 10 << 20;

/// The log of one build, readable by root only: a repository may print what it
/// should not.
pub(super) struct BuildLog {
    writing: Mutex<Writing>,
}

struct Writing {
    file: File,
    path: PathBuf,
    left: usize,
}

impl BuildLog {
    /// Makes the log of the build with this row id.
    pub(super) fn create(layout: &Layout, id: i64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(layout.build_logs_dir())?;
        let path = layout.build_log(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { writing: Mutex::new(Writing { file, path, left: LOG_MAX }) })
    }

    /// Adds a line that is safe to show. A log that cannot be written ends no
    /// build.
    pub(super) fn line(&self, line: &str) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if writing.left == 0 {
            return;
        }
        if line.len() >= writing.left {
            writing.left = 0;
            writing.write(&format!("-- more than {} MiB were said; the rest is not kept", LOG_MAX >> 20));
        } else {
            writing.left -= line.len() + 1;
            writing.write(line);
        }
    }

    /// Adds how the build ended.
    pub(super) fn end(&self, error: Option<&(dyn Error + 'static)>) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None => writing.write("-- done"),
            Some(error) => {
                let causes: Vec<String> = iter::successors(Some(error), |error| (*error).source())
                    .map(ToString::to_string)
                    .collect();
                writing.write(&format!("-- failed: {}", printable(&causes.join(": "))));
            }
        }
    }
}

impl Writing {
    fn write(&mut self, line: &str) {
        if let Err(error) = writeln!(self.file, "{line}") {
            tracing::warn!(path = %self.path.display(), %error, "a build log could not be written");
            self.left = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_log_is_roots_own_and_bounded_and_keeps_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let log = BuildLog::create(&layout, 7).expect("made");
        let line = "x".repeat(1 << 20);
        for _ in 0..20 {
            log.line(&line);
        }
        log.end(Some(&io::Error::other("full\u{1b}")));
        let path = layout.build_log(7);
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.len() < LOG_MAX + 200, "{}", text.len());
        let end = "-- more than 10 MiB were said; the rest is not kept\n-- failed: full\\u{1b}\n";
        assert!(text.ends_with(end), "{}", &text[text.len() - 200..]);
        let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!([mode(path), mode(layout.build_logs_dir())], [0o600, 0o700]);
    }
}
