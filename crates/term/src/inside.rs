//! Running a command inside a container, connected to whoever called us.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use berth_core::ContainerName;
use berth_host::guests::{Run, Stdio, User};

use crate::Failure;

/// Runs a command to its end. Its exit code is the result.
pub async fn run(container: ContainerName, user: User, command: &[OsString]) -> Result<ExitCode, Failure> {
    let run = Run::new(container, user, stdio(), command, random())?;
    Ok(run.run().await?.shell_code().into())
}

/// A number that tells this run's unit apart from others.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

fn stdio() -> Stdio {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        Stdio::Terminal(terminal_kind(env::var_os("TERM")))
    } else {
        Stdio::Pipe
    }
}

/// The kind of the caller's terminal, if it is the name of one.
fn terminal_kind(term: Option<OsString>) -> String {
    let is_name = |term: &String| {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"-+._".contains(&b);
        !term.is_empty() && term.bytes().all(is_name_byte)
    };
    term.and_then(|term| term.into_string().ok()).filter(is_name).unwrap_or_else(|| "dumb".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_a_terminal_goes_inside() {
        for (term, kind) in [
            (Some("xterm-256color"), "xterm-256color"),
            (Some("screen.xterm+x"), "screen.xterm+x"),
            (Some("../../evil"), "dumb"),
            (Some(""), "dumb"),
            (None, "dumb"),
        ] {
            assert_eq!(terminal_kind(term.map(Into::into)), kind);
        }
    }

    #[test]
    fn two_runs_have_different_units() {
        assert_ne!(random(), random());
    }
}
