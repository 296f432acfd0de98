//! Speaking as a GitHub App: a short statement signed with its key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_core::config::AppId;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;
use serde_json::json;
use thiserror::Error;

/// How far back a statement is dated, as GitHub advises: clocks differ.
const BACK: SignedDuration = SignedDuration::from_secs(60);
/// How long it is good. GitHub takes ten minutes at most, by its own clock.
const GOOD: SignedDuration = SignedDuration::from_mins(8);

/// The private key of an App. It is not shown.
pub struct AppKey(Box<RsaKeyPair>);

/// Why a file is no key of an App. It tells nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppKeyError {
    /// Not a PEM file with a private key.
    #[error(
        "the key of the GitHub App is no PEM file with a private key: download a new one from its settings"
    )]
    Pem,
    /// A key that is not RSA, or too short.
    #[error("the key of the GitHub App is no RSA key of 2048 to 8192 bits")]
    Rsa,
}

impl AppKey {
    /// Reads the file that GitHub gives out for an App.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AppKeyError> {
        let pair = match PrivateKeyDer::from_pem_slice(pem).map_err(|_| AppKeyError::Pem)? {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            _ => return Err(AppKeyError::Rsa),
        };
        pair.map(|pair| Self(Box::new(pair))).map_err(|_| AppKeyError::Rsa)
    }

    /// The statement that this App speaks at this moment (RFC 7519, RS256).
    pub(super) fn statement(&self, app: &AppId, now: Timestamp) -> SecretString {
        let claims =
            json!({ "iat": (now - BACK).as_second(), "exp": (now + GOOD).as_second(), "iss": app.as_str() });
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let said = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = SystemRandom::new();
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &random, said.as_bytes(), &mut signature);
        signed.expect("the signature has the length of the modulus");
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature)).into()
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const KEY: &str = include_str!("../../../../tests/github/assets/app-key.pem");

    #[test]
    fn a_statement_is_what_openssl_makes_of_the_same_words() {
        let now = "2026-11-21T00:00:00Z".parse().expect("a time");
        let key = AppKey::from_pem(KEY.as_bytes()).expect("a key");
        let statement = key.statement(&"4242".parse().expect("an id"), now);
        // {"exp":1795219680,"iat":1795219140,"iss":"4242"}, signed by `openssl dgst -sha256 -sign`.
        insta::assert_snapshot!(statement.expose_secret(), @"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTUyMTk2ODAsImlhdCI6MTc5NTIxOTE0MCwiaXNzIjoiNDI0MiJ9.f3FF98RNZqT1Nz7Tq_8iq4VLT3MwZfJ5Ihhc8N6oUnIIUW9heuR-bDp0J3gaFLP9DGxk7pFFjbSu7nc36TnKwR8SI7_xxcLpZHU15_OTRTNdyQuKktG4xxe67wBq_GXigat0_BINJwbd3hsASVvvgUDSYvNwq9HiO3KLIig5ddGVwxmCVBmKnrZfMvPVVAF-C4MnPdOKu6mPYPAHMQKWfpXnWDlIMeukQuVm8SSfNt5BrRro1-oViIyTglepius0uohElHwhS6oBFb-x_Ow7o5HRloMNZTEMrzB0CUDCgDj0PJY6SPBmcCr1RDUSP8Xo6z_yfvRBP89fkoosjSsnZw");
    }
}
