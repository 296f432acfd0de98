//! Exit codes.

use std::process::ExitCode;

/// How a program of Berth ended. Part of the interface: scripts and coding
/// agents tell by it what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// It failed; stderr tells why.
    Failed = 1,
    /// The command line is wrong or not permitted (clap ends with it too).
    Usage = 2,
    /// There is nothing of that name.
    NotFound = 3,
    /// The name is taken.
    Exists = 4,
    /// Another process works on the same thing; try again.
    Busy = 5,
    /// Interrupted, and taken back what was done.
    Interrupted = 130,
}

impl Code {
    /// The codes, for the help of a program.
    pub const HELP: &str = "\
Exit codes:
  0    done
  1    failed; stderr tells why
  2    the command line is wrong, or not permitted through sudo
  3    there is nothing of that name
  4    the name is taken
  5    another process works on it; try again
  130  interrupted";
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code() {
        for code in
            [Code::Ok, Code::Failed, Code::Usage, Code::NotFound, Code::Exists, Code::Busy, Code::Interrupted]
        {
            let begin = format!("  {:<5}", code as u8);
            assert!(Code::HELP.lines().any(|line| line.starts_with(&begin)), "{code:?}");
        }
    }
}
