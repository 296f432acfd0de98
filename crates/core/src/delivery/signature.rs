//! Who a delivery is from: whoever knows the secret.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::HeaderError;

const PREFIX: &str = "sha256=";
/// The bytes of a SHA-256.
const LENGTH: usize = 32;

/// A secret that GitHub signs deliveries with. It cannot be printed, and
/// leaves memory when it leaves scope.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

/// Why bytes are not a secret. The messages repeat nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WebhookSecretError {
    /// Too short to withstand guessing: whoever sees one delivery can try
    /// secrets at home.
    #[error(
        "the secret has {length} bytes: take at least {}, such as from `openssl rand -hex 32`",
        WebhookSecret::MIN
    )]
    Short {
        /// Its length in bytes.
        length: usize,
    },
    /// Too long to be meant.
    #[error("the secret has more than {} bytes", WebhookSecret::MAX)]
    Long,
}

impl WebhookSecret {
    /// The fewest bytes of a secret.
    pub const MIN: usize = 16;
    /// The most bytes of a secret.
    pub const MAX: usize = 4096;

    /// A secret as a file holds it: line ends after it are not part of it.
    pub fn new(content: &[u8]) -> Result<Self, WebhookSecretError> {
        let end = content.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let secret = &content[..end];
        match secret.len() {
            length if length < Self::MIN => Err(WebhookSecretError::Short { length }),
            length if length > Self::MAX => Err(WebhookSecretError::Long),
            _ => Ok(Self(Zeroizing::new(secret.to_vec()))),
        }
    }

    /// What GitHub sends beside this body.
    pub fn sign(&self, body: &[u8]) -> Signature {
        Signature(self.hmac(body).finalize().into_bytes().into())
    }

    fn hmac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.0).expect("an HMAC takes keys of any length");
        hmac.update(body);
        hmac
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret([hidden])")
    }
}

/// The HMAC-SHA256 of a raw body, from `X-Hub-Signature-256`.
///
/// It is kept as bytes and has no equality: [`Signature::verify`] is the only
/// way to compare it, and takes the same time whatever is wrong.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; LENGTH]);

impl Signature {
    /// Whether one of the secrets signed this body.
    ///
    /// All of them are tried, so that the time tells nothing either about
    /// which one it was.
    pub fn verify(&self, secrets: &[WebhookSecret], body: &[u8]) -> bool {
        secrets
            .iter()
            .fold(false, |is_signed, secret| is_signed | secret.hmac(body).verify_slice(&self.0).is_ok())
    }
}

impl FromStr for Signature {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let digits = text.strip_prefix(PREFIX).ok_or(HeaderError::Signature)?.as_bytes();
        let mut bytes = [0; LENGTH];
        if digits.len() != 2 * LENGTH {
            return Err(HeaderError::Signature);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn digit(character: u8) -> Result<u8, HeaderError> {
    let digit = char::from(character).to_digit(16).ok_or(HeaderError::Signature)?;
    Ok(u8::try_from(digit).expect("a hexadecimal digit is below 16"))
}

text_form!(Signature, HeaderError);

impl fmt::Display for Signature {
    /// As in the header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.iter().fold(String::from(PREFIX), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all text");
            text
        });
        f.pad(&digits)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"Hello, World!";
    const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(text.as_bytes()).expect("a secret")
    }

    #[test]
    fn the_test_vector_of_github_holds() {
        let secret = secret("It's a Secret to Everybody");
        let signature: Signature = SIGNED.parse().expect("a signature");
        assert!(signature.verify(std::slice::from_ref(&secret), BODY));
        assert_eq!(secret.sign(BODY).to_string(), SIGNED);
        let upper: Signature =
            SIGNED.to_uppercase().replace("SHA", "sha").parse().expect("upper-case digits");
        assert!(upper.verify(&[secret], BODY));
    }

    #[test]
    fn the_current_and_the_previous_secret_count_and_no_other() {
        let [old, new, other] =
            ["the secret before this one", "the secret of these days", "a secret of somebody else"]
                .map(secret);
        let both = [new.clone(), old.clone()];
        assert!(new.sign(BODY).verify(&both, BODY));
        assert!(old.sign(BODY).verify(&both, BODY));
        assert!(!other.sign(BODY).verify(&both, BODY));
        assert!(!new.sign(BODY).verify(&both, b"hello, World!"));
        assert!(!new.sign(BODY).verify(&[], BODY));
    }

    #[test]
    fn only_sha256_and_64_digits_is_a_signature() {
        let digits = &SIGNED[PREFIX.len()..];
        for other in [
            "",
            "sha256=",
            digits,
            &format!("sha1={digits}"),
            &format!("SHA256={digits}"),
            &format!(" sha256={digits}"),
            &format!("sha256= {digits}"),
            &format!("sha256={digits}0"),
            &format!("sha256={}", &digits[1..]),
            &format!("sha256={}g", &digits[1..]),
            &format!("sha256=+{}", &digits[1..]),
            &format!("sha256={}", "é".repeat(32)),
        ] {
            assert!(other.parse::<Signature>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_secret_has_no_line_end_is_long_enough_and_is_never_shown() {
        let text = "poison-secret-poison";
        assert_eq!(secret(&format!("{text}\r\n")).sign(BODY).0, secret(text).sign(BODY).0);
        assert!(!format!("{:?}", secret(text)).contains("poison"));
        assert_eq!(WebhookSecret::new(b"short\n").err(), Some(WebhookSecretError::Short { length: 5 }));
        assert_eq!(WebhookSecret::new(b"\n\n").err(), Some(WebhookSecretError::Short { length: 0 }));
        assert_eq!(WebhookSecret::new(&[b'x'; 4097]).err(), Some(WebhookSecretError::Long));
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_noticed(body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let secret = secret("a secret of these days");
            let signature = secret.sign(&body);
            let mut changed = body.clone();
            changed[at.index(body.len())] ^= 1 << bit;
            prop_assert!(signature.verify(std::slice::from_ref(&secret), &body));
            prop_assert!(!signature.verify(&[secret], &changed));
        }

        #[test]
        fn what_is_read_is_what_was_shown(bytes in any::<[u8; 32]>()) {
            let read: Signature = Signature(bytes).to_string().parse().expect("a signature");
            prop_assert_eq!(read.0, bytes);
        }
    }
}
