//! Services of the guest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name of a unit, in bytes and with its ending.
const UNIT_MAX: usize = 200;
const SERVICE: &str = ".service";
/// Endings of units that are no services.
const OTHER_UNITS: [&str; 10] =
    [".automount", ".device", ".mount", ".path", ".scope", ".slice", ".socket", ".swap", ".target", ".timer"];

/// The name of a service unit of the guest, with its ending: `web.service`.
///
/// It is made of `A-Z`, `a-z`, `0-9`, `:`, `_`, `.`, `@` and `-` and begins
/// with none of `.`, `@` and `-`, so a command line takes it for no option.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

/// Why a text names no service. The message names the text and the rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnitNameError {
    /// Nothing stands before the ending.
    #[error("is empty: name a service, such as `web.service`")]
    Empty,
    /// The name has more than 200 bytes.
    #[error("has {length} characters: {UNIT_MAX} is the most")]
    TooLong {
        /// Its length in bytes, with its ending.
        length: usize,
    },
    /// A character that is not allowed, or not in this place.
    #[error("`{0}` is no name of a service: those are made of letters, digits, `:`, `_`, `.`, `@` and `-`")]
    Character(String),
    /// The name of a timer, a socket and so on.
    #[error("`{0}` is no service: only services are started and watched")]
    OtherUnit(String),
    /// A template without its instance.
    #[error("`{0}` is a template: name the instance, such as `worker@1.service`")]
    Template(String),
}

impl UnitName {
    /// The name with its ending.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = UnitNameError;

    /// The ending `.service` may be left out.
    fn from_str(text: &str) -> Result<Self, UnitNameError> {
        let stem = text.strip_suffix(SERVICE).unwrap_or(text);
        let shown = || text.escape_debug().to_string();
        let length = stem.len() + SERVICE.len();
        if stem.is_empty() {
            return Err(UnitNameError::Empty);
        }
        if length > UNIT_MAX {
            return Err(UnitNameError::TooLong { length });
        }
        let is_plain = stem.bytes().all(|b| b.is_ascii_alphanumeric() || b":_.@-".contains(&b));
        if !is_plain || stem.starts_with(['.', '@', '-']) {
            return Err(UnitNameError::Character(shown()));
        }
        if OTHER_UNITS.iter().any(|ending| stem.ends_with(ending)) {
            return Err(UnitNameError::OtherUnit(shown()));
        }
        if stem.ends_with('@') {
            return Err(UnitNameError::Template(shown()));
        }
        Ok(Self(format!("{stem}{SERVICE}")))
    }
}

text_form!(UnitName, UnitNameError);

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_may_be_left_out() {
        for (written, read) in [
            ("web", "web.service"),
            ("web.service", "web.service"),
            ("worker@1", "worker@1.service"),
            ("app.v2:x_y-z", "app.v2:x_y-z.service"),
        ] {
            assert_eq!(written.parse::<UnitName>().expect(written).as_str(), read);
        }
    }

    #[test]
    fn what_is_no_service_is_refused_with_its_reason() {
        use UnitNameError::{Character, Empty, OtherUnit, Template, TooLong};
        for bad in ["-web", "--all", ".web", "@1", "a b", "a/b", "../a", "a\n", "a*", "a;id", "a\\x2d", "wéb"]
        {
            assert_eq!(bad.parse::<UnitName>(), Err(Character(bad.escape_debug().to_string())));
        }
        for (bad, error) in [
            ("", Empty),
            (".service", Empty),
            ("backup.timer", OtherUnit("backup.timer".to_owned())),
            ("web.socket.service", OtherUnit("web.socket.service".to_owned())),
            ("worker@", Template("worker@".to_owned())),
            ("worker@.service", Template("worker@.service".to_owned())),
        ] {
            assert_eq!(bad.parse::<UnitName>(), Err(error), "{bad}");
        }
        assert!("a".repeat(UNIT_MAX - 8).parse::<UnitName>().is_ok());
        assert_eq!("a".repeat(UNIT_MAX - 7).parse::<UnitName>(), Err(TooLong { length: UNIT_MAX + 1 }));
    }
}
