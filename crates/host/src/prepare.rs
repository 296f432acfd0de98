//! Writing what Berth injects into a stopped root.
//!
//! Container root owns all that lies below; every path is opened through
//! handles that follow no symlink ([`berth_rooted`]), and every file has its
//! owner and mode before it has its name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use berth_core::ContainerName;
use berth_core::guest::{self, Credential, Owner, Preparation};
use berth_rooted::{Kind, Owner as FileOwner, RootDir, RootedError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::client_key::{self, ClientKeyError};
use crate::host::Host;
use crate::host_key::{HostKey, HostKeyError};
use crate::state::StateError;

/// The most bytes of a credential file.
const CREDENTIAL_MAX: u64 = 1 << 20;
/// More entries than anybody configures; container root may have made more.
const CREDENTIALS_MAX: usize = 1000;
/// More than an ed25519 key has.
const PRIVATE_KEY_MAX: u64 = 4096;

/// Why a root could not be prepared.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// A path below the root is not what it must be, or the disk is full.
    #[error(transparent)]
    Rooted(#[from] RootedError),
    /// A configured credential cannot be read.
    #[error("credential `{name}`: `{}` cannot be read", path.display())]
    Credential {
        /// What it is called inside.
        name: String,
        /// Where it should be on the host.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A configured credential is too large to be one.
    #[error("credential `{name}`: `{}` has more than {CREDENTIAL_MAX} bytes", path.display())]
    TooLarge {
        /// What it is called inside.
        name: String,
        /// Where it is on the host.
        path: PathBuf,
    },
    /// A file that is bound into containers cannot be written.
    #[error("`{}` cannot be written", path.display())]
    GuestFile {
        /// Its path on the host.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Berth's own key.
    #[error(transparent)]
    ClientKey(#[from] ClientKeyError),
    /// A host key.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The record is gone.
    #[error("{0} has no record any more")]
    NoRecord(ContainerName),
}

/// Prepares the root of a stopped container, and pins its host key in the
/// record. A host key that is pinned and still there stays, so that people's
/// own `known_hosts` stay true over a pause.
pub(crate) async fn apply(
    host: &Host,
    name: ContainerName,
    preparation: &Preparation,
) -> Result<(), PrepareError> {
    let record = host.state.berth_in(name).await?.ok_or(PrepareError::NoRecord(name))?;
    let client_line = client_key::public_line(&host.layout)?;
    let layout = host.layout.clone();
    let services = host.config.subnet.services_address().to_string();
    let preparation = preparation.clone();
    let pinned = record.host_key.clone();
    let new_pin = tokio::task::spawn_blocking(move || {
        write_guest_file(&layout.guest_resolv_conf(), &format!("nameserver {services}\noptions edns0\n"))?;
        let root = RootDir::open(&layout.container_roots_dir(), &name.to_string())?;
        write_files(&root, &preparation, &client_line)?;
        write_host_key(&root, pinned.as_deref())
    })
    .await
    .expect("preparing a root does not panic")?;
    if let Some(line) = new_pin {
        host.state.set_host_key(record.id, &line).await?;
    }
    Ok(())
}

fn write_files(root: &RootDir, preparation: &Preparation, client_line: &str) -> Result<(), PrepareError> {
    let as_root = owner(Owner::Root);
    let host_name = format!("{}\n", preparation.host_name);
    root.write_file(Path::new(guest::HOST_NAME), host_name.as_bytes(), as_root, 0o644)?;
    let mut keys = format!("{client_line}\n");
    for key in &preparation.authorized_keys {
        keys += key.as_str();
        keys.push('\n');
    }
    root.write_file(Path::new(guest::AUTHORIZED_KEYS), keys.as_bytes(), as_root, 0o644)?;
    remove_old_credentials(root, &preparation.credentials)?;
    for credential in &preparation.credentials {
        let content = read_credential(credential)?;
        let path = credential.name.guest_path();
        root.write_file(Path::new(&path), &content, owner(credential.owner), credential.mode.bits())?;
    }
    Ok(())
}

/// Removes what was configured once and is no more: a credential that was
/// taken back must not live on in agents that exist. Folders are not ours.
fn remove_old_credentials(root: &RootDir, configured: &[Credential]) -> Result<(), PrepareError> {
    let folder = Path::new(guest::CREDENTIALS);
    let found = root.list(folder, CREDENTIALS_MAX)?.unwrap_or_default();
    let is_configured = |name: &OsStr| configured.iter().any(|c| name == c.name.to_string().as_str());
    for entry in found.entries {
        if entry.kind != Kind::Directory && !is_configured(&entry.name) {
            root.remove_file(folder.join(&entry.name))?;
        }
    }
    Ok(())
}

/// Writes a fresh host key unless the pinned one is in place. Returns the
/// public line to pin.
fn write_host_key(root: &RootDir, pinned: Option<&str>) -> Result<Option<String>, PrepareError> {
    if let Some(pinned) = pinned {
        let found = root.read_file(Path::new(guest::HOST_KEY), PRIVATE_KEY_MAX)?.map(Zeroizing::new);
        if found.is_some_and(|private| HostKey::is_pinned(&private, pinned)) {
            return Ok(None);
        }
    }
    let key = HostKey::generate()?;
    let as_root = owner(Owner::Root);
    let public = key.public_line().to_owned();
    root.write_file(Path::new(guest::HOST_KEY), key.private_pem(), as_root, 0o600)?;
    root.write_file(Path::new(guest::HOST_KEY_PUBLIC), format!("{public}\n").as_bytes(), as_root, 0o644)?;
    Ok(Some(public))
}

fn owner(owner: Owner) -> FileOwner {
    FileOwner { uid: owner.id(), gid: owner.id() }
}

fn read_credential(credential: &Credential) -> Result<Zeroizing<Vec<u8>>, PrepareError> {
    let refuse = |source| PrepareError::Credential {
        name: credential.name.to_string(),
        path: credential.source.clone(),
        source,
    };
    // Not blocking: a FIFO in the place of a secret must not hang us.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file =
        File::options().read(true).custom_flags(nonblocking).open(&credential.source).map_err(refuse)?;
    if !file.metadata().map_err(refuse)?.is_file() {
        return Err(refuse(io::Error::other("it is not a regular file")));
    }
    let mut content = Zeroizing::new(Vec::new());
    file.take(CREDENTIAL_MAX + 1).read_to_end(&mut content).map_err(refuse)?;
    if content.len() as u64 > CREDENTIAL_MAX {
        return Err(PrepareError::TooLarge {
            name: credential.name.to_string(),
            path: credential.source.clone(),
        });
    }
    Ok(content)
}

/// Writes a file that is bound read-only into every container; one that is
/// right already is left alone, as it is in use.
fn write_guest_file(path: &Path, content: &str) -> Result<(), PrepareError> {
    if std::fs::read(path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    crate::replace_file::replace_file(path, content.as_bytes(), 0o644)
        .map_err(|source| PrepareError::GuestFile { path: path.to_owned(), source })
}
