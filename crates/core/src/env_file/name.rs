//! Names of environment variables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name of a variable, in bytes.
const LENGTH_MAX: usize = 128;

/// Variables that a shell computes, counts or locks itself, measured with
/// bash and dash. Setting one from a file stops the reading, is ignored, or
/// evaluates the value as arithmetic, which can run commands.
const KEPT_BY_SHELLS: [&str; 31] = [
    "BASHOPTS",
    "BASHPID",
    "BASH_ALIASES",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_ARGV0",
    "BASH_CMDS",
    "BASH_COMMAND",
    "BASH_LINENO",
    "BASH_SOURCE",
    "BASH_SUBSHELL",
    "BASH_VERSINFO",
    "COMP_WORDBREAKS",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "GROUPS",
    "HISTCMD",
    "LINENO",
    "OPTIND",
    "PIPESTATUS",
    "PPID",
    "RANDOM",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "UID",
    "_",
];

/// The name of an environment variable: a letter or `_`, then letters, digits
/// and `_`; at most 128 bytes, and none that a shell keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

/// Why a text is not the name of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvNameError {
    /// It is not made as names are.
    #[error(
        "`{text}` is no name of a variable: give a letter or `_`, then letters, digits and `_`, at most \
         {LENGTH_MAX}"
    )]
    Shape {
        /// The text as given, escaped and cut.
        text: String,
    },
    /// A shell would not take its value from the file.
    #[error("`{text}` is a variable that shells keep for themselves: choose another name")]
    Kept {
        /// The text as given.
        text: String,
    },
}

impl EnvName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = EnvNameError;

    fn from_str(text: &str) -> Result<Self, EnvNameError> {
        let is_shaped = (1..=LENGTH_MAX).contains(&text.len())
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_shaped {
            let beginning: String = text.chars().take(LENGTH_MAX).collect();
            return Err(EnvNameError::Shape { text: beginning.escape_debug().to_string() });
        }
        if KEPT_BY_SHELLS.contains(&text) {
            return Err(EnvNameError::Kept { text: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }
}

text_form!(EnvName, EnvNameError);

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_every_shell_can_set() {
        for good in ["A", "a", "_A", "A_1", "__", "DATABASE_URL", &"A".repeat(128)] {
            assert_eq!(good.parse::<EnvName>().expect(good).as_str(), good);
        }
        for bad in ["", "1A", "A-B", "A B", "A=B", "A\nB", "É", "A.B", "A[0]", "A$(id)", &"A".repeat(129)] {
            assert!(matches!(bad.parse::<EnvName>(), Err(EnvNameError::Shape { .. })), "{bad:?}");
        }
        for kept in KEPT_BY_SHELLS {
            assert_eq!(kept.parse::<EnvName>(), Err(EnvNameError::Kept { text: kept.to_owned() }));
        }
    }

    #[test]
    fn a_refusal_names_the_text_and_the_rule() {
        assert_eq!(
            "A\n=x".parse::<EnvName>().expect_err("no name").to_string(),
            "`A\\n=x` is no name of a variable: give a letter or `_`, then letters, digits and `_`, at most 128"
        );
        assert_eq!(
            "UID".parse::<EnvName>().expect_err("kept").to_string(),
            "`UID` is a variable that shells keep for themselves: choose another name"
        );
    }
}
