//! What a preview's services are told: `/etc/preview.env`.

use std::io;
use std::path::{Path, PathBuf};

use berth_core::env_file::{EnvFile, EnvName, EnvValueError};
use berth_core::guest::PreviewEnvironment;
use berth_core::{Gpu, Layout, Subnet, firewall};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::database_password::{self, DatabasePasswordError};
use crate::private_folder::private_folder;
use crate::replace_file::{make_file, replace_file};
use crate::secret_file::{self, SecretFileError};

/// Bytes of what is mixed into [`digest`].
const SALT_LENGTH: usize = 32;

/// Why the environment could not be put together.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// A secret of the host.
    #[error("the secret `{name}` cannot be given to the preview")]
    Secret {
        /// The variable.
        name: EnvName,
        /// Why.
        source: SecretFileError,
    },
    /// The forge's token.
    #[error("the token cannot be given to the preview")]
    Token(#[source] SecretFileError),
    /// A value that no environment can hold.
    #[error(transparent)]
    Value(#[from] EnvValueError),
    /// The password of its database.
    #[error(transparent)]
    Password(#[from] DatabasePasswordError),
    /// What makes digests useless to others could not be kept.
    #[error("`{}` cannot be read or made", path.display())]
    Salt {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The text of the file. It holds secrets: it leaves memory with the value.
pub(crate) fn render(
    layout: &Layout,
    subnet: Subnet,
    environment: &PreviewEnvironment,
) -> Result<Zeroizing<String>, EnvironmentError> {
    let mut file = EnvFile::default();
    for (name, value) in [
        ("PREVIEW_REPO_URL", environment.repository_url.as_str()),
        ("PREVIEW_BRANCH", environment.branch.as_str()),
        ("PREVIEW_COMMIT", environment.commit.as_str()),
        ("PREVIEW_HOST", &environment.host),
        ("PREVIEW_URL", &environment.url),
    ] {
        file.set(own(name), value)?;
    }
    if environment.has_database {
        file.set(own("DATABASE_URL"), &database_url(layout, subnet, environment)?)?;
    }
    for (name, path) in &environment.secrets {
        let secret = secret_file::read_line(path)
            .map_err(|source| EnvironmentError::Secret { name: name.clone(), source })?;
        file.set(name.clone(), &secret)?;
    }
    Ok(Zeroizing::new(file.render()))
}

/// The token that a preview is given, if it is granted one.
pub(crate) fn token(environment: &PreviewEnvironment) -> Result<Option<Zeroizing<String>>, EnvironmentError> {
    let token = environment.token.as_deref().map(secret_file::read_line).transpose();
    token.map_err(EnvironmentError::Token)
}

/// A hash of all that a preview's services are told but for the commit: when
/// it differs from the recorded one, they must be told anew. The GPU of their
/// container belongs to it: another one needs another container. Salted with a
/// secret of this host, so that the record of it tells nothing about values.
pub(crate) fn digest(
    layout: &Layout,
    subnet: Subnet,
    environment: &PreviewEnvironment,
    gpu: Option<&Gpu>,
) -> Result<String, EnvironmentError> {
    let without_commit = PreviewEnvironment {
        commit: "0000000000000000000000000000000000000000".parse().expect("a commit"),
        ..environment.clone()
    };
    let mut hash = Sha256::new();
    hash.update(salt(layout)?.as_slice());
    hash.update(render(layout, subnet, &without_commit)?.as_bytes());
    if let Some(token) = token(environment)? {
        hash.update([0]);
        hash.update(token.as_bytes());
    }
    if let Some(gpu) = gpu {
        hash.update([1]);
        hash.update(gpu.to_string().as_bytes());
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn own(name: &str) -> EnvName {
    name.parse().expect("Berth's own variables are names")
}

fn database_url(
    layout: &Layout,
    subnet: Subnet,
    environment: &PreviewEnvironment,
) -> Result<Zeroizing<String>, EnvironmentError> {
    let password = database_password::read_or_make(layout, environment.preview)?;
    let name = environment.preview.database();
    Ok(Zeroizing::new(format!(
        "postgres://{name}:{}@{}:{}/{name}",
        password.expose_secret(),
        subnet.services_address(),
        firewall::DATABASE_PORT,
    )))
}

/// The salt of this host, made by whoever needs it first: several deployments
/// may, at once, and all must have the same.
fn salt(layout: &Layout) -> Result<Zeroizing<Vec<u8>>, EnvironmentError> {
    let path = layout.digest_salt();
    let fail = |source| EnvironmentError::Salt { path: path.clone(), source };
    if let Some(salt) = read_salt(&path).map_err(fail)? {
        return Ok(salt);
    }
    let mut salt = Zeroizing::new(vec![0; SALT_LENGTH]);
    OsRng.try_fill_bytes(salt.as_mut_slice()).map_err(|error| fail(io::Error::other(error.to_string())))?;
    private_folder(&layout.secrets_dir()).map_err(fail)?;
    make_file(&path, &salt, 0o600).map_err(fail)?;
    match read_salt(&path).map_err(fail)? {
        Some(salt) => Ok(salt),
        // A file that is none.
        None => replace_file(&path, &salt, 0o600).map(|()| salt).map_err(fail),
    }
}

/// Nothing if there is no salt, or something else in its place.
fn read_salt(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    match std::fs::read(path) {
        Ok(salt) => Ok(Some(Zeroizing::new(salt)).filter(|salt| salt.len() == SALT_LENGTH)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each had its own, and the first update of all but one made a new berth.
    #[test]
    fn deployments_that_make_the_salt_at_once_have_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let salts: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..16).map(|_| scope.spawn(|| salt(&layout).expect("a salt"))).collect();
            all.into_iter().map(|one| one.join().expect("ended")).collect()
        });
        assert!(salts.iter().all(|one| *one == salts[0]));
        std::fs::write(layout.digest_salt(), "cut").expect("written");
        assert_eq!(salt(&layout).expect("another"), salt(&layout).expect("the same"));
    }
}
