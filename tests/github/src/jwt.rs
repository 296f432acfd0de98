//! Checking what an App says of itself, as GitHub does.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use crate::answer::{Answer, unauthorized};

const PUBLIC_KEY: &str = include_str!("../assets/app-key.pub.pem");

/// The public key of the App.
pub(crate) struct AppPublicKey(Vec<u8>);

impl AppPublicKey {
    pub(crate) fn new() -> Result<Self> {
        let lines: String = PUBLIC_KEY.lines().filter(|line| !line.starts_with('-')).collect();
        Ok(Self(STANDARD.decode(lines).context("the public key is PEM")?))
    }

    /// Who speaks; refused as GitHub refuses.
    pub(crate) fn check(&self, jwt: &str, now: Timestamp) -> Result<String, Answer> {
        let undecodable = || unauthorized("A JSON web token could not be decoded");
        let (said, signature) = jwt.rsplit_once('.').ok_or_else(undecodable)?;
        let (head, claims) = said.split_once('.').ok_or_else(undecodable)?;
        let json = |part: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let (head, claims) = json(head).zip(json(claims)).ok_or_else(undecodable)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| undecodable())?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.0);
        if head["alg"] != "RS256" || key.verify(said.as_bytes(), &signature).is_err() {
            return Err(undecodable());
        }
        check_times(&claims, now.as_second())?;
        let issuer = claims["iss"]
            .as_str()
            .map(str::to_owned)
            .or_else(|| claims["iss"].as_u64().map(|id| id.to_string()));
        issuer.ok_or_else(|| unauthorized("'Issuer' claim ('iss') must be an Integer or a String"))
    }
}

fn check_times(claims: &Value, now: i64) -> Result<(), Answer> {
    let time = |name: &str| claims[name].as_i64();
    let issued = time("iat").ok_or_else(|| unauthorized("Missing 'issued at' claim ('iat')"))?;
    let expires = time("exp").ok_or_else(|| unauthorized("Missing 'expiration time' claim ('exp')"))?;
    if issued > now {
        return Err(unauthorized(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ));
    }
    if expires <= now {
        return Err(unauthorized(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        ));
    }
    if expires > now + 600 {
        return Err(unauthorized("'Expiration time' claim ('exp') is too far in the future"));
    }
    Ok(())
}
