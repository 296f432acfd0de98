//! Writing a file of the host whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers what is written aside: threads may replace one file at the same time.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Puts `content` at `path` with these permission bits: written aside with the
/// bits from the first byte on, synced, renamed. Missing folders are made with
/// 0755. Of several at once the last one counts. For folders that only root
/// writes: in a container's root use `berth_rooted`.
pub(crate) fn replace_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    through_aside(path, content, mode, |aside| fs::rename(aside, path))
}

/// The same where there is no file yet. Of several at once the first one counts,
/// as a link never replaces: whoever needs the content reads it afterwards.
pub(crate) fn make_file(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    through_aside(path, content, mode, |aside| {
        match fs::hard_link(aside, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::remove_file(aside)
    })
}

fn through_aside(
    path: &Path,
    content: &[u8],
    mode: u32,
    put: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let aside = folder.join(format!(".{name}.{}-{write}", std::process::id()));
    let written = write_new(&aside, content, mode).and_then(|()| put(&aside));
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    // The umask took bits away at the creation.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/a.conf");
        for content in ["one", "two"] {
            replace_file(&path, content.as_bytes(), 0o640).expect("replaced");
            assert_eq!(fs::read_to_string(&path).expect("readable"), content);
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o640);
        }
        let entries = fs::read_dir(folder.path().join("new")).expect("a folder").count();
        assert_eq!(entries, 1);
    }

    /// They shared one file written aside: one took it away from the other.
    #[test]
    fn threads_that_replace_one_file_at_once_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.conf");
        std::thread::scope(|scope| {
            for text in ["one", "two", "three", "four"] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..200 {
                        replace_file(path, text.as_bytes(), 0o600).expect("replaced");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn of_threads_that_make_one_file_at_once_the_first_one_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("salt");
        let seen: Vec<String> = std::thread::scope(|scope| {
            let make = |number: u32| {
                let path = &path;
                move || {
                    make_file(path, number.to_string().as_bytes(), 0o600).expect("made");
                    fs::read_to_string(path).expect("readable")
                }
            };
            let all: Vec<_> = (0..16).map(|number| scope.spawn(make(number))).collect();
            all.into_iter().map(|one| one.join().expect("ended")).collect()
        });
        assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_and_nothing_is_left_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("taken");
        fs::create_dir(&path).expect("a folder in the way");
        assert!(replace_file(&path, b"x", 0o600).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
