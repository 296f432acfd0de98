//! What the headers of a delivery may say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most bytes of an id or of an event's name.
const LENGTH_MAX: usize = 64;

/// A header that is not what GitHub sends. The messages repeat nothing of what
/// was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// `X-GitHub-Delivery`.
    #[error("`X-GitHub-Delivery` must be 1 to {LENGTH_MAX} letters, digits and hyphens")]
    Delivery,
    /// `X-GitHub-Event`.
    #[error("`X-GitHub-Event` must be 1 to {LENGTH_MAX} lower-case letters, digits and underscores")]
    Event,
    /// `Content-Type`.
    #[error("`Content-Type` must be `application/json` or `application/x-www-form-urlencoded`")]
    ContentType,
    /// `X-Hub-Signature-256`.
    #[error("`X-Hub-Signature-256` must be `sha256=` and 64 hexadecimal digits")]
    Signature,
}

/// The id of a delivery, from `X-GitHub-Delivery`. A redelivery by hand has
/// the id of the first one.
///
/// Its characters can stand in the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId(String);

impl FromStr for DeliveryId {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let is_id = (1..=LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if is_id { Ok(Self(text.to_owned())) } else { Err(HeaderError::Delivery) }
    }
}

/// The name of an event, from `X-GitHub-Event`: `pull_request`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventName(String);

impl FromStr for EventName {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let is_name = (1..=LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if is_name { Ok(Self(text.to_owned())) } else { Err(HeaderError::Event) }
    }
}

/// How the body holds the JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    /// The body is the JSON text.
    Json,
    /// The body is a form whose field `payload` is the JSON text.
    Form,
}

impl FromStr for ContentType {
    type Err = HeaderError;

    /// Reads the value of a `Content-Type` header; parameters such as
    /// `charset` say nothing new.
    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let media = text.split_once(';').map_or(text, |(media, _)| media).trim();
        if media.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Ok(Self::Form)
        } else {
            Err(HeaderError::ContentType)
        }
    }
}

macro_rules! text {
    ($type:ident) => {
        impl $type {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_form!($type, HeaderError);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text!(DeliveryId);
text!(EventName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_stand_in_the_name_of_a_file() {
        for id in ["72d3162e-cc78-11e3-81ab-4c9367dc0958", "a", &"A".repeat(64)] {
            assert_eq!(id.parse::<DeliveryId>().expect(id).to_string(), id);
        }
        for other in ["", ".", "..", "a/b", "a b", "a\nb", "a\0", "ä", "a.b", &"a".repeat(65)] {
            assert_eq!(other.parse::<DeliveryId>(), Err(HeaderError::Delivery), "{other:?}");
        }
    }

    #[test]
    fn an_event_has_a_plain_name() {
        assert_eq!("issue_comment".parse::<EventName>().expect("an event").as_str(), "issue_comment");
        for other in ["", "Ping", "pull-request", "a\r\nb", &"a".repeat(65)] {
            assert_eq!(other.parse::<EventName>(), Err(HeaderError::Event), "{other:?}");
        }
    }

    #[test]
    fn a_content_type_is_read_without_its_parameters() {
        for (text, expected) in [
            ("application/json", Ok(ContentType::Json)),
            ("Application/JSON; charset=utf-8", Ok(ContentType::Json)),
            ("application/x-www-form-urlencoded", Ok(ContentType::Form)),
            ("application/x-www-form-urlencoded;charset=UTF-8", Ok(ContentType::Form)),
            ("", Err(HeaderError::ContentType)),
            ("text/plain", Err(HeaderError::ContentType)),
            ("application/jsonp", Err(HeaderError::ContentType)),
            ("application/json, text/plain", Err(HeaderError::ContentType)),
            ("multipart/form-data", Err(HeaderError::ContentType)),
        ] {
            assert_eq!(text.parse::<ContentType>(), expected, "{text}");
        }
    }
}
