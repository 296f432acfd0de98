//! The spool's folder through one handle.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use berth_core::delivery::SpoolName;
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, RenameFlags, accessat, flock, openat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

const TEMPORARY: &str = ".incoming-";
/// For us, and for the group, which is the folder's if that has its set-gid
/// bit.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// A file that has no name in the spool yet.
pub(super) struct Temporary {
    file: File,
    name: String,
}

/// What lies in the spool.
pub(super) struct Content {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The time in the last name.
    pub(super) last: u64,
}

impl Temporary {
    /// Makes the content durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Takes the folder for this process; false if another one has it.
    pub(super) fn lock(&self) -> io::Result<bool> {
        match flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn check_writable(&self) -> io::Result<()> {
        Ok(accessat(&self.0, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Makes a file and writes it; nothing of it stays if that fails.
    pub(super) fn write(&self, number: u64, parts: [&[u8]; 2]) -> io::Result<Temporary> {
        let name = format!("{TEMPORARY}{number}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.0, &name, flags, MODE)?);
        let written = parts.into_iter().try_for_each(|part| file.write_all(part));
        let temporary = Temporary { file, name };
        match written {
            Ok(()) => Ok(temporary),
            Err(error) => {
                self.remove(&temporary);
                Err(error)
            }
        }
    }

    /// Gives a file its name, which is durable only after [`Folder::sync`].
    /// Nothing stays if it, or the sync of the content before, failed.
    pub(super) fn publish(
        &self,
        temporary: &Temporary,
        synced: io::Result<()>,
        name: &SpoolName,
    ) -> io::Result<()> {
        let renamed = synced.and_then(|()| {
            let (from, to) = (temporary.name.as_str(), name.to_string());
            Ok(renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE)?)
        });
        if renamed.is_err() {
            self.remove(temporary);
        }
        renamed
    }

    fn remove(&self, temporary: &Temporary) {
        if let Err(error) = unlinkat(&self.0, temporary.name.as_str(), AtFlags::empty()) {
            tracing::error!(file = temporary.name, reason = %error, "an unfinished file stays in the spool");
        }
    }

    /// Removes unfinished files and returns how many there were.
    pub(super) fn remove_temporary(&self) -> io::Result<usize> {
        let mut removed = 0;
        self.each(|name| {
            if name.to_bytes().starts_with(TEMPORARY.as_bytes()) {
                unlinkat(&self.0, name, AtFlags::empty())?;
                removed += 1;
            }
            Ok(())
        })?;
        Ok(removed)
    }

    /// Counts the deliveries.
    pub(super) fn content(&self) -> io::Result<Content> {
        let mut content = Content { files: 0, bytes: 0, last: 0 };
        self.each(|name| {
            let parsed = name.to_str().ok().and_then(|name| name.parse::<SpoolName>().ok());
            let Some(parsed) = parsed else { return Ok(()) };
            match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    content.files += 1;
                    content.bytes += u64::try_from(stat.st_size).unwrap_or(0);
                    content.last = content.last.max(parsed.micros());
                    Ok(())
                }
                // Taken out between the listing and the look.
                Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error),
            }
        })?;
        Ok(content)
    }

    fn each(&self, mut act: impl FnMut(&CStr) -> rustix::io::Result<()>) -> io::Result<()> {
        for entry in Dir::read_from(&self.0)? {
            act(entry?.file_name())?;
        }
        Ok(())
    }
}
