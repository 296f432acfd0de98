//! The journal of a stopped container.
//!
//! The files are container root's: a symlink in their place would make a
//! `journalctl` of host root print the *host's* journal, and their content is
//! parsed by C code. So they are opened by handle, following nothing
//! ([`berth_rooted`]), and each is handed as stdin to a `journalctl` that runs
//! as nobody: `--file=-` reads an open file without asking again who may open
//! it, which `--file=/proc/self/fd/0` does. It is not in the manual; systemd
//! has it since 230, "for mmap-able, seekable files".

mod entry;

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use berth_core::{ContainerName, Layout};
use berth_rooted::{Entry as Found, Kind, RootDir, RootedError};
use thiserror::Error;

use crate::exec::{ExecError, Invocation, Stdin};

pub use entry::Entry;

/// Where journald keeps its files, below a root.
const FOLDER: &str = "var/log/journal";

/// Folders of machine ids that are looked into.
const MAX_FOLDERS: usize = 16;

/// Names that are looked at in each.
const MAX_NAMES: usize = 1000;

/// Files that are read, the newest first: the system's, those of users, and
/// what was rotated lately.
const MAX_FILES: usize = 8;

/// How long one file may take: what is in it is the container's.
const FILE_DEADLINE: Duration = Duration::from_secs(5);

/// How long all files may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// How much is kept of what is read from one file; its newest entries are at
/// the end.
const KEEP: usize = 8 << 20;

/// The user nobody and its group, which own nothing.
const NOBODY: u32 = 65_534;

/// The fields that an [`Entry`] is made of.
const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER,_COMM,_PID,PRIORITY";

/// Why the journal of a stopped container could not be read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The root, or something on the way to the files.
    #[error(transparent)]
    Root(#[from] RootedError),
    /// No file could be read; this is what the newest one gave.
    #[error("no journal file of {container} can be read")]
    Unreadable {
        /// The container.
        container: ContainerName,
        /// The first failure.
        source: ExecError,
    },
}

/// The last entries, oldest first; none when there is no journal.
///
/// Files that cannot be read are passed over while there are others: a
/// container that was killed leaves its last one unfinished.
pub async fn entries_of_stopped(
    layout: &Layout,
    name: ContainerName,
    lines: u32,
) -> Result<Vec<Entry>, JournalError> {
    let files = newest_files(layout.container_roots_dir(), name).await?;
    let mut entries = Vec::new();
    let mut failure = None;
    let mut is_any_read = false;
    let reading = async {
        for file in files {
            match read(file, lines).await {
                Ok(read) => {
                    is_any_read = true;
                    entries.extend(read);
                }
                Err(error) => failure = failure.take().or(Some(error)),
            }
        }
    };
    // What was read until then is worth showing.
    let _ = tokio::time::timeout(DEADLINE, reading).await;
    match failure {
        Some(source) if !is_any_read => Err(JournalError::Unreadable { container: name, source }),
        _ => Ok(last(entries, lines)),
    }
}

/// The same as text, an entry a line, safe to show.
pub async fn tail_of_stopped(
    layout: &Layout,
    name: ContainerName,
    lines: u32,
) -> Result<String, JournalError> {
    let entries = entries_of_stopped(layout, name, lines).await?;
    let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
    Ok(lines.join("\n"))
}

fn last(mut entries: Vec<Entry>, lines: u32) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.time);
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    entries.split_off(entries.len().saturating_sub(lines))
}

async fn newest_files(roots: PathBuf, name: ContainerName) -> Result<Vec<File>, RootedError> {
    let open = move || open_newest(&RootDir::open(&roots, &name.to_string())?);
    tokio::task::spawn_blocking(open).await.expect("opening files does not panic")
}

fn open_newest(root: &RootDir) -> Result<Vec<File>, RootedError> {
    let mut found: Vec<(i64, PathBuf)> = Vec::new();
    let folders = root.list(FOLDER, MAX_FOLDERS)?.unwrap_or_default();
    for folder in folders.entries.iter().filter(|entry| is_machine_folder(entry)) {
        let path = PathBuf::from(FOLDER).join(&folder.name);
        let files = root.list(&path, MAX_NAMES)?.unwrap_or_default();
        let journals = files.entries.iter().filter(|entry| is_journal(entry));
        found.extend(journals.map(|entry| (entry.modified, path.join(&entry.name))));
    }
    found.sort_by(|a, b| b.cmp(a));
    let newest = found.into_iter().take(MAX_FILES);
    newest.filter_map(|(_, path)| root.open_file(path).transpose()).collect()
}

/// Files lie in folders called after the machine id.
fn is_machine_folder(entry: &Found) -> bool {
    let name = entry.name.as_encoded_bytes();
    entry.kind == Kind::Directory && name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit)
}

/// `.journal~` is a file that was not closed properly and put aside.
fn is_journal(entry: &Found) -> bool {
    let extension = std::path::Path::new(&entry.name).extension().unwrap_or(OsStr::new(""));
    entry.kind == Kind::Regular && (extension == "journal" || extension == "journal~")
}

async fn read(file: File, lines: u32) -> Result<Vec<Entry>, ExecError> {
    let output = Invocation::new("journalctl")
        .args(["--file=-", "--output=json", "--no-pager", "--quiet"])
        .arg(format!("--output-fields={FIELDS}"))
        .arg(format!("--lines={lines}"))
        .aim("read a journal file")
        .stdin(Stdin::File(file))
        .user(NOBODY, NOBODY)
        .deadline(FILE_DEADLINE)
        .ends_without_us()
        .keep(KEEP)
        .run()
        .await?;
    Ok(output.stdout.bytes.split(|byte| *byte == b'\n').filter_map(Entry::parse).collect())
}

#[cfg(test)]
mod tests;
