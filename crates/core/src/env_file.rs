//! The environment of a preview's services, as a file.
//!
//! The same file is read by systemd (`EnvironmentFile=`) and by shells
//! (`source`), and both must see the same values. They agree on this form:
//! the value in double quotes, with a backslash before each backslash, double
//! quote, dollar sign and backtick. Nothing else has a meaning between the
//! quotes, for either of them.

mod name;

use std::fmt;

use thiserror::Error;

pub use name::{EnvName, EnvNameError};

/// The longest value, in bytes. Linux starts no program with a variable of
/// 128 KiB, name and all.
pub const VALUE_MAX: usize = 64 * 1024;

/// Variables with their values, in the order in which they were set.
///
/// The values may be secrets: [`Debug`](fmt::Debug) shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    variables: Vec<(EnvName, String)>,
}

/// Why a variable cannot be set. The message names the variable, never its
/// value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvValueError {
    /// A line feed: shells and systemd would read it, people's tools that go
    /// line by line would not.
    #[error("the value of `{name}` has more than one line: encode it, as base64 for instance")]
    Newline {
        /// The variable.
        name: EnvName,
    },
    /// A NUL byte, which no environment can hold.
    #[error("the value of `{name}` has a NUL byte: encode it, as base64 for instance")]
    Nul {
        /// The variable.
        name: EnvName,
    },
    /// A code point that Unicode keeps free for ever. Systemd would drop the
    /// variable, and write its value to the journal.
    #[error(
        "the value of `{name}` has a Unicode noncharacter, which systemd refuses: encode it, as base64 for instance"
    )]
    Noncharacter {
        /// The variable.
        name: EnvName,
    },
    /// The value has more than [`VALUE_MAX`] bytes.
    #[error("the value of `{name}` has {length} bytes: {VALUE_MAX} is the most")]
    TooLong {
        /// The variable.
        name: EnvName,
        /// The value's length in bytes.
        length: usize,
    },
    /// The variable is set already.
    #[error("`{name}` is set twice")]
    Twice {
        /// The variable.
        name: EnvName,
    },
}

impl EnvFile {
    /// Sets a variable that is not set yet.
    pub fn set(&mut self, name: EnvName, value: &str) -> Result<(), EnvValueError> {
        if value.contains('\n') {
            return Err(EnvValueError::Newline { name });
        }
        if value.contains('\0') {
            return Err(EnvValueError::Nul { name });
        }
        if value.contains(is_noncharacter) {
            return Err(EnvValueError::Noncharacter { name });
        }
        if value.len() > VALUE_MAX {
            return Err(EnvValueError::TooLong { name, length: value.len() });
        }
        if self.variables.iter().any(|(set, _)| *set == name) {
            return Err(EnvValueError::Twice { name });
        }
        self.variables.push((name, value.to_owned()));
        Ok(())
    }

    /// The text of the file: a line `NAME="value"` for each variable.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            text += name.as_str();
            text += "=\"";
            for character in value.chars() {
                if matches!(character, '\\' | '"' | '$' | '`') {
                    text.push('\\');
                }
                text.push(character);
            }
            text += "\"\n";
        }
        text
    }
}

impl fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.iter().map(|(name, _)| name.as_str())).finish()
    }
}

/// Whether Unicode will never give this code point a meaning.
pub(crate) fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests;
