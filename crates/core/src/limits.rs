//! What one container may use of the host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const KIB: u64 = 1024;
const MIN_MEMORY: u64 = 64 * KIB * KIB;

/// The limits of one container, as systemd's resource control names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// `MemoryMax`.
    pub memory: Memory,
    /// `CPUQuota`.
    pub cpus: Cpus,
    /// `TasksMax`: processes and threads, 32 or more.
    pub tasks: Tasks,
}

impl Limits {
    /// The properties as `systemctl set-property` takes them.
    pub fn properties(&self) -> [String; 3] {
        [
            format!("MemoryMax={}", self.memory.bytes()),
            format!("CPUQuota={}%", self.cpus.percent()),
            format!("TasksMax={}", self.tasks.get()),
        ]
    }
}

/// A text that is not an amount. The message says what is one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LimitError {
    /// Not an amount of memory.
    #[error(
        "`{0}` is no amount of memory: write a whole number with `M`, `G` or `T` (such as `4G`), 64M or more"
    )]
    Memory(String),
    /// Not a number of CPUs.
    #[error("`{0}` is no number of CPUs: write 0.1 to 1024, such as `2` or `1.5`")]
    Cpus(String),
    /// Not a number of tasks.
    #[error("`{0}` is no number of tasks: write 32 to 4194304")]
    Tasks(String),
}

/// An amount of memory in bytes, 64 MiB or more. Suffixes are powers of 1024,
/// as systemd reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(u64);

impl Memory {
    /// The amount in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let refuse = || LimitError::Memory(text.escape_debug().to_string());
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[number.len()..] {
            "M" | "MiB" => KIB * KIB,
            "G" | "GiB" => KIB * KIB * KIB,
            "T" | "TiB" => KIB * KIB * KIB * KIB,
            _ => return Err(refuse()),
        };
        let amount = whole_number(number).ok_or_else(refuse)?;
        match amount.checked_mul(unit) {
            Some(bytes) if bytes >= MIN_MEMORY && i64::try_from(bytes).is_ok() => Ok(Self(bytes)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0 / (KIB * KIB);
        let text = if mebibytes.is_multiple_of(KIB * KIB) {
            format!("{}T", mebibytes / (KIB * KIB))
        } else if mebibytes.is_multiple_of(KIB) {
            format!("{}G", mebibytes / KIB)
        } else {
            format!("{mebibytes}M")
        };
        f.pad(&text)
    }
}

/// A share of processor time in hundredths of one CPU, 10 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cpus(u32);

impl Cpus {
    /// The share in percent of one CPU.
    pub fn percent(self) -> u32 {
        self.0
    }
}

impl FromStr for Cpus {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let refuse = || LimitError::Cpus(text.escape_debug().to_string());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let hundredths = match fraction.len() {
            1 => whole_number(fraction).map(|n| n * 10),
            2 => whole_number(fraction),
            _ => None,
        };
        let whole = whole_number(whole).and_then(|n| n.checked_mul(100));
        match whole.zip(hundredths).map(|(whole, part)| whole.saturating_add(part)) {
            Some(percent @ 10..=102_400) => Ok(Self(u32::try_from(percent).map_err(|_| refuse())?)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        let text = match part {
            0 => format!("{whole}"),
            part if part % 10 == 0 => format!("{whole}.{}", part / 10),
            part => format!("{whole}.{part:02}"),
        };
        f.pad(&text)
    }
}

/// A number of processes and threads, 32 to the kernel's most (2^22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tasks(u32);

impl Tasks {
    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Tasks {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        match whole_number(text).and_then(|n| u32::try_from(n).ok()) {
            Some(number @ 32..=4_194_304) => Ok(Self(number)),
            _ => Err(LimitError::Tasks(text.escape_debug().to_string())),
        }
    }
}

impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Digits only: no sign, no space, no empty text, which `parse` would take or
/// which would read as something else in another tool.
fn whole_number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

text_form!(Memory, LimitError);
text_form!(Cpus, LimitError);
text_form!(Tasks, LimitError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_become_systemd_properties() {
        let limits = Limits {
            memory: "4G".parse().expect("memory"),
            cpus: "1.5".parse().expect("cpus"),
            tasks: "4096".parse().expect("tasks"),
        };
        assert_eq!(limits.properties(), ["MemoryMax=4294967296", "CPUQuota=150%", "TasksMax=4096"]);
    }

    #[test]
    fn amounts_are_shown_as_people_write_them() {
        for text in ["64M", "512M", "4G", "1536M", "2T"] {
            assert_eq!(text.parse::<Memory>().expect(text).to_string(), text);
        }
        for text in ["2", "0.5", "1.25", "1.05", "1024"] {
            assert_eq!(text.parse::<Cpus>().expect(text).to_string(), text);
        }
        assert_eq!("1024M".parse::<Memory>().expect("1 GiB").to_string(), "1G");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in
            ["", "4", "G", "-4G", "+4G", "4 G", "4.5G", "63M", "4K", "4GB", "99999999999T", "infinity", "٤G"]
        {
            assert!(text.parse::<Memory>().is_err(), "{text:?}");
        }
        for text in ["", "0", "0.09", "-1", "1,5", "1.", ".5", "1.555", "1025", "99999999999999999999"] {
            assert!(text.parse::<Cpus>().is_err(), "{text:?}");
        }
        for text in ["", "31", "4194305", "1e3", "infinity", "-1"] {
            assert!(text.parse::<Tasks>().is_err(), "{text:?}");
        }
    }
}
