//! Writing what Berth injects into a stopped root.
//!
//! Container root owns all that lies below; every path is opened through
//! handles that follow no symlink ([`berth_rooted`]), and every file has its
//! owner and mode before it has its name.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use berth_core::guest::{self, AgentPreparation, Credential, Owner, Preparation, PreviewPreparation};
use berth_core::{ContainerName, Layout, Subnet};
use berth_rooted::{Kind, Owner as FileOwner, RootDir, RootedError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::client_key::{self, ClientKeyError};
use crate::environment::{self, EnvironmentError};
use crate::host::Host;
use crate::host_key::{HostKey, HostKeyError};
use crate::secret_file::{self, SecretFileError};
use crate::state::StateError;

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
    #[error("credential `{name}`: {source}")]
    Credential {
        /// What it is called inside.
        name: String,
        /// Why.
        source: SecretFileError,
    },
    /// What the services of a preview are told.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
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

/// Prepares the root of a stopped container.
pub(crate) async fn apply(
    host: &Host,
    name: ContainerName,
    preparation: &Preparation,
) -> Result<(), PrepareError> {
    match preparation {
        Preparation::Agent(preparation) => agent(host, name, preparation).await,
        Preparation::Preview(preparation) => preview(host, name, preparation).await,
    }
}

/// Prepares an agent's root, and pins its host key in the record. A host key
/// that is pinned and still there stays, so that people's own `known_hosts` stay
/// true over a pause.
async fn agent(host: &Host, name: ContainerName, preparation: &AgentPreparation) -> Result<(), PrepareError> {
    let record = host.state.berth_in(name).await?.ok_or(PrepareError::NoRecord(name))?;
    let client_line = client_key::public_line(&host.layout)?;
    let (layout, subnet) = (host.layout.clone(), host.config.subnet);
    let preparation = preparation.clone();
    let pinned = record.host_key.clone();
    let new_pin = tokio::task::spawn_blocking(move || {
        let root = open(&layout, subnet, name)?;
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

/// Prepares a preview's root: what its services are told, for them alone.
async fn preview(
    host: &Host,
    name: ContainerName,
    preparation: &PreviewPreparation,
) -> Result<(), PrepareError> {
    let (layout, subnet) = (host.layout.clone(), host.config.subnet);
    let preparation = preparation.clone();
    tokio::task::spawn_blocking(move || {
        let root = open(&layout, subnet, name)?;
        let host_name = format!("{}\n", preparation.host_name);
        root.write_file(Path::new(guest::HOST_NAME), host_name.as_bytes(), owner(Owner::Root), 0o644)?;
        let services = FileOwner { uid: guest::SERVICES_ID, gid: guest::SERVICES_ID };
        let variables = environment::render(&layout, subnet, &preparation.environment)?;
        root.write_file(Path::new(guest::ENVIRONMENT), variables.as_bytes(), services, 0o400)?;
        match environment::token(&preparation.environment)? {
            Some(token) => root.write_file(Path::new(guest::TOKEN), token.as_bytes(), services, 0o400)?,
            None => root.remove_file(Path::new(guest::TOKEN))?,
        }
        Ok(())
    })
    .await
    .expect("preparing a root does not panic")
}

/// The root of a container, once what is bound into it is there.
fn open(layout: &Layout, subnet: Subnet, name: ContainerName) -> Result<RootDir, PrepareError> {
    let services = subnet.services_address();
    write_guest_file(&layout.guest_resolv_conf(), &format!("nameserver {services}\noptions edns0\n"))?;
    Ok(RootDir::open(&layout.container_roots_dir(), &name.to_string())?)
}

fn write_files(
    root: &RootDir,
    preparation: &AgentPreparation,
    client_line: &str,
) -> Result<(), PrepareError> {
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
        let content = secret_file::read(&credential.source)
            .map_err(|source| PrepareError::Credential { name: credential.name.to_string(), source })?;
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

/// Writes a file that is bound read-only into every container; one that is
/// right already is left alone, as it is in use.
fn write_guest_file(path: &Path, content: &str) -> Result<(), PrepareError> {
    if std::fs::read(path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    crate::replace_file::replace_file(path, content.as_bytes(), 0o644)
        .map_err(|source| PrepareError::GuestFile { path: path.to_owned(), source })
}
