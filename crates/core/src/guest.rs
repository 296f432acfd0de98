//! What Berth puts into a container, and the ids that own it there.
//!
//! All of it lies in `/etc/berth` inside; the guest's own configuration reads
//! it from there. See `docs/guest-contract.md`.

mod preview;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::preview::{ENVIRONMENT, PreviewEnvironment, PreviewPreparation, SERVICES_ID, TOKEN};
use crate::Name;

/// The user that people and coding agents are inside.
pub const AGENT_USER: &str = "agent";
/// Its user id and group id inside.
pub const AGENT_ID: u32 = 1000;

/// The host name, read early at boot.
pub const HOST_NAME: &str = "etc/berth/hostname";
/// sshd's private host key.
pub const HOST_KEY: &str = "etc/berth/ssh/ssh_host_ed25519_key";
/// sshd's public host key.
pub const HOST_KEY_PUBLIC: &str = "etc/berth/ssh/ssh_host_ed25519_key.pub";
/// The keys that may log in as [`AGENT_USER`].
pub const AUTHORIZED_KEYS: &str = "etc/berth/ssh/authorized_keys";
/// The folder of the credential files.
pub const CREDENTIALS: &str = "etc/berth/credentials";

/// Who owns a file inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// Container root.
    Root,
    /// The user [`AGENT_USER`].
    Agent,
}

impl Owner {
    /// The user id and the group id inside.
    pub fn id(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Agent => AGENT_ID,
        }
    }
}

/// The permission bits of a credential file: nobody but its owner reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

/// A text that is no mode for a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no mode for a credential: take `0400` or `0600`, so that only its owner reads it")]
pub struct ModeError(String);

impl Mode {
    /// Read by its owner only: what a credential has when nothing is said.
    pub const OWNER_READS: Self = Self(0o400);

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        match text {
            "0400" | "400" => Ok(Self(0o400)),
            "0600" | "600" => Ok(Self(0o600)),
            _ => Err(ModeError(text.escape_debug().to_string())),
        }
    }
}

/// The name of a credential: a file name of 1 to 64 of `A-Z a-z 0-9 . _ -`
/// that does not begin with a dot or a hyphen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialName(String);

/// A text that cannot name a credential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` cannot name a credential: take 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first")]
pub struct CredentialNameError(String);

impl CredentialName {
    /// The path of the credential inside, without the leading slash.
    pub fn guest_path(&self) -> String {
        format!("{CREDENTIALS}/{}", self.0)
    }
}

impl FromStr for CredentialName {
    type Err = CredentialNameError;

    fn from_str(text: &str) -> Result<Self, CredentialNameError> {
        let is_name = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && text.as_bytes()[0].is_ascii_alphanumeric();
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(CredentialNameError(text.escape_debug().to_string()))
        }
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A file of the host that every new agent gets a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What it is called inside.
    pub name: CredentialName,
    /// Where it is on the host.
    pub source: PathBuf,
    /// Who owns it inside.
    pub owner: Owner,
    /// Its permission bits.
    pub mode: Mode,
}

/// A public key as it stands in an `authorized_keys` file, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKey(String);

/// A text that is no public key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no public key: give a line such as `ssh-ed25519 AAAA… name`, without options")]
pub struct AuthorizedKeyError(String);

impl AuthorizedKey {
    /// The line, without a line feed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AuthorizedKey {
    type Err = AuthorizedKeyError;

    fn from_str(text: &str) -> Result<Self, AuthorizedKeyError> {
        let shown: String = text.chars().take(40).collect();
        let refuse = || AuthorizedKeyError(shown.escape_debug().to_string());
        let mut words = text.split_ascii_whitespace();
        let (kind, key) = words.next().zip(words.next()).ok_or_else(refuse)?;
        let is_kind = kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-");
        let is_base64 =
            key.starts_with("AAAA") && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
        if is_kind && is_base64 && !text.chars().any(char::is_control) {
            Ok(Self(text.trim().to_owned()))
        } else {
            Err(refuse())
        }
    }
}

/// What a stopped root is prepared with. Secrets are named here, not held:
/// whoever applies a plan reads them at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// That of an agent.
    Agent(AgentPreparation),
    /// That of a preview.
    Preview(Box<PreviewPreparation>),
}

impl Preparation {
    /// Whether the container may reach the host's PostgreSQL.
    pub fn reaches_database(&self) -> bool {
        match self {
            Self::Agent(_) => false,
            Self::Preview(preparation) => preparation.environment.has_database,
        }
    }
}

/// What an agent's root is prepared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPreparation {
    /// The agent's name, its host name inside.
    pub host_name: Name,
    /// People's own keys, for `ssh -J`. Berth's key is added.
    pub authorized_keys: Vec<AuthorizedKey>,
    /// The files to copy in.
    pub credentials: Vec<Credential>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_names_are_plain_file_names() {
        for good in ["claude", "a.b_c-1", "0"] {
            let name: CredentialName = good.parse().expect(good);
            assert_eq!(name.guest_path(), format!("etc/berth/credentials/{good}"));
        }
        for bad in ["", ".", "..", ".x", "-x", "a/b", "../x", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert!(bad.parse::<CredentialName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_credential_is_for_its_owner_only() {
        for bad in ["0644", "0640", "0604", "0700", "4400", "", "rw"] {
            assert!(bad.parse::<Mode>().is_err(), "{bad:?}");
        }
        assert_eq!("0600".parse(), Ok(Mode(0o600)));
    }

    #[test]
    fn a_key_is_one_line_without_options() {
        assert!("ssh-ed25519 AAAAC3Nza me@host".parse::<AuthorizedKey>().is_ok());
        assert!("sk-ssh-ed25519@openssh.com AAAAGnNr x".parse::<AuthorizedKey>().is_ok());
        for bad in [
            "",
            "ssh-ed25519",
            "AAAAC3Nza",
            "command=\"id\" ssh-ed25519 AAAAC3Nza",
            "ssh-ed25519 AAAAC3Nza\nssh-ed25519 AAAAevil",
            "ssh-ed25519 not-base64",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(bad.parse::<AuthorizedKey>().is_err(), "{bad:?}");
        }
    }
}
