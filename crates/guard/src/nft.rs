//! The one question to nft.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use berth_core::firewall::{FAMILY, TABLE};
use rustix::process::{Pid, Signal};
use thiserror::Error;

/// Where nft is looked for: NixOS first, then what other distributions use.
const PATH: &str = "/run/current-system/sw/bin:/run/wrappers/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// nft answers in milliseconds; a start has a minute.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why nft gave no answer.
#[derive(Debug, Error)]
pub enum NftError {
    /// It did not start.
    #[error("could not ask for the firewall table: `nft` did not start; check with `agent doctor`")]
    Start(#[source] io::Error),
    /// It did not end.
    #[error("could not ask for the firewall table: `nft` did not answer within {DEADLINE:?}; try again")]
    Deadline,
    /// It refused, most often because there is no such table.
    #[error("the firewall table `{FAMILY} {TABLE}` is not loaded: `{0}`; load it with `agent doctor --fix`")]
    Refused(String),
}

/// Lists the table `inet berth` as JSON, without counters.
///
/// A spawner of its own beside berth-host's: that one brings an asynchronous
/// runtime, which the guard, at every start of every container, is better
/// without.
pub fn list_table() -> Result<Vec<u8>, NftError> {
    let output = run(Command::new("nft").args(["-j", "-s", "list", "table", FAMILY, TABLE]), DEADLINE)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(NftError::Refused(stderr.lines().next().unwrap_or_default().trim().to_owned()))
}

fn run(command: &mut Command, deadline: Duration) -> Result<Output, NftError> {
    let child = command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(NftError::Start)?;
    let group = Pid::from_child(&child);
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    match ended.recv_timeout(deadline) {
        Ok(output) => output.map_err(NftError::Start),
        Err(_) => {
            // Not reaped yet, or its thread would have told: the id is its own.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            Err(NftError::Deadline)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_hanging_tool_is_killed_at_the_deadline() {
        let begin = Instant::now();
        let result = run(Command::new("sleep").arg("1000"), Duration::from_millis(50));
        assert!(matches!(result, Err(NftError::Deadline)));
        assert!(begin.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_missing_tool_is_told() {
        let result = run(&mut Command::new("berth-no-such-tool"), DEADLINE);
        assert!(matches!(result, Err(NftError::Start(_))));
    }
}
