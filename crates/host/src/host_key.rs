//! Host keys of containers: made by the host, so that the pinned key is known
//! before the first start and nothing is read back from inside.

use std::fmt;

use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use thiserror::Error;
use zeroize::Zeroizing;

/// Why no host key could be made.
#[derive(Debug, Error)]
#[error("could not make a host key")]
pub struct HostKeyError(#[from] ssh_key::Error);

/// An ed25519 pair for the sshd of one container. Its private half is wiped
/// from memory in the end and never printed.
pub(crate) struct HostKey {
    private: Zeroizing<String>,
    public: String,
}

impl HostKey {
    /// A new pair.
    pub(crate) fn generate() -> Result<Self, HostKeyError> {
        let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519)?;
        let private = key.to_openssh(LineEnding::LF)?;
        let public = key.public_key().to_openssh()?;
        Ok(Self { private, public })
    }

    /// Whether a file with a private key, as container root may have left it,
    /// is the one whose public line was pinned.
    pub(crate) fn is_pinned(private_pem: &[u8], pinned: &str) -> bool {
        let public = PrivateKey::from_openssh(private_pem).and_then(|key| key.public_key().to_openssh());
        public.is_ok_and(|public| public == pinned)
    }

    /// The private half as sshd reads it.
    pub(crate) fn private_pem(&self) -> &[u8] {
        self.private.as_bytes()
    }

    /// The public half: `ssh-ed25519 AAAA…`, without a line feed.
    pub(crate) fn public_line(&self) -> &str {
        &self.public
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_belongs_together_and_is_never_the_same_twice() {
        let (one, two) = (HostKey::generate().expect("a key"), HostKey::generate().expect("a key"));
        assert_ne!(one.public_line(), two.public_line());
        let private = PrivateKey::from_openssh(one.private_pem()).expect("sshd reads it");
        assert_eq!(private.public_key().to_openssh().expect("a line"), one.public_line());
    }

    #[test]
    fn only_the_whole_pair_that_was_pinned_counts() {
        let (one, two) = (HostKey::generate().expect("a key"), HostKey::generate().expect("a key"));
        assert!(HostKey::is_pinned(one.private_pem(), one.public_line()));
        assert!(!HostKey::is_pinned(two.private_pem(), one.public_line()));
        for torn in [&b""[..], b"rubbish", &one.private_pem()[..100]] {
            assert!(!HostKey::is_pinned(torn, one.public_line()));
        }
    }

    #[test]
    fn the_private_half_shows_nowhere() {
        let key = HostKey::generate().expect("a key");
        let shown = format!("{key:?}");
        assert!(shown.contains("ssh-ed25519"));
        assert!(!shown.contains("PRIVATE"));
    }
}
