//! Programs that work on what strangers wrote: git, and the evaluation of Nix
//! code from repositories.
//!
//! Each runs as an unprivileged user of its own in a transient unit of the
//! host's systemd: no capability, a read-only file system but for the folders
//! it is given, limits of memory, processes, file size and time. The unit ends
//! by its own clock also when we were killed, and until then the client that
//! waits for it holds the locks that it has inherited.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use berth_core::limits::Memory;
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

use crate::exec::{ExecError, Exit, Invocation, Output, PATH, Stdin, Watcher, unexpanded};
use crate::stop_when_dropped::StopWhenDropped;

/// How long after its deadline a program is killed that does not end.
const GRACE: Duration = Duration::from_secs(5);
/// systemd's exit status where the user does not exist (systemd.exec(5)).
const NO_USER: i32 = 217;
/// What `timeout` ends with when the time is over: the first after SIGTERM, the
/// second after SIGKILL.
const TIMED_OUT: [i32; 2] = [124, 137];

/// What every such unit is, whoever runs in it.
const PROPERTIES: [&str; 20] = [
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "LimitCORE=0",
    "OOMPolicy=kill",
    "TimeoutStopSec=5s",
];

/// Which network such a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The host's.
    Host,
    /// None; sockets of the file system, such as the Nix daemon's, stay.
    None,
}

/// A program, its arguments and its limits.
#[derive(Debug)]
#[must_use = "nothing happens until it is run"]
pub struct Confined {
    user: &'static str,
    argv: Vec<OsString>,
    aim: String,
    deadline: Duration,
    memory: Memory,
    network: Network,
    file_max: Option<u64>,
    writable: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
    env: Vec<(&'static str, String)>,
    stdin: Stdin,
    keep: usize,
}

/// Why a confined program came to nothing.
#[derive(Debug, Error)]
pub enum ConfinedError {
    /// There is no user to run it as.
    #[error(
        "could not {aim}: there is no user `{user}`; the NixOS module makes it, or `useradd --system {user}`"
    )]
    NoUser {
        /// Completes the sentence "could not …".
        aim: String,
        /// The user.
        user: &'static str,
    },
    /// Its time was over.
    #[error("could not {aim} within {after:?}")]
    TimedOut {
        /// Completes the sentence "could not …".
        aim: String,
        /// Its deadline.
        after: Duration,
    },
    /// It could not be run to its end.
    #[error(transparent)]
    Run(#[from] ExecError),
}

impl Confined {
    /// A program for this user, for at most this long, with at most this much
    /// memory, without network.
    pub fn new(user: &'static str, aim: impl Into<String>, deadline: Duration, memory: Memory) -> Self {
        Self {
            user,
            argv: Vec::new(),
            aim: aim.into(),
            deadline,
            memory,
            network: Network::None,
            file_max: None,
            writable: Vec::new(),
            hidden: Vec::new(),
            env: Vec::new(),
            stdin: Stdin::Null,
            keep: 1 << 20,
        }
    }

    /// Program and arguments, never a secret.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// The network it has; none unless given.
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// The largest file that it may write, in bytes.
    pub fn file_max(mut self, bytes: u64) -> Self {
        self.file_max = Some(bytes);
        self
    }

    /// A folder that it may write to, if its user may.
    pub fn writable(mut self, folder: impl Into<PathBuf>) -> Self {
        self.writable.push(folder.into());
        self
    }

    /// A folder that is not there for it, if it is there at all.
    pub fn hidden(mut self, folder: impl Into<PathBuf>) -> Self {
        self.hidden.push(folder.into());
        self
    }

    /// One more variable of its environment. Never a secret.
    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// What it reads: the way in for secrets.
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// How many bytes of stdout and stderr each are kept; 1 MiB unless given.
    pub fn keep(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    /// Runs it to its end; any exit code of its own is for the caller to judge.
    /// When the future is dropped, the unit is stopped.
    pub async fn run(self) -> Result<Output, ConfinedError> {
        self.run_watched(&|_| {}).await
    }

    /// The same, and each line of stderr is told as it comes.
    pub async fn run_watched(mut self, watcher: Watcher<'_>) -> Result<Output, ConfinedError> {
        // It tells the units of all runs apart.
        let unit = format!("{}-{:016x}.service", self.user, OsRng.next_u64());
        let stdin = std::mem::take(&mut self.stdin);
        let dropped = StopWhenDropped::new(unit.clone());
        let output = self.invocation(&unit).stdin(stdin).run_watched(watcher).await;
        // At our own deadline, later than the unit's, the client is gone.
        if output.is_ok() {
            dropped.disarm();
        }
        let output = output?;
        match output.exit {
            Exit::Code(NO_USER) => Err(ConfinedError::NoUser { aim: self.aim, user: self.user }),
            Exit::Code(code) if TIMED_OUT.contains(&code) => {
                Err(ConfinedError::TimedOut { aim: self.aim, after: self.deadline })
            }
            Exit::Code(_) | Exit::Signal(_) => Ok(output),
        }
    }

    fn invocation(&self, unit: &str) -> Invocation {
        let seconds = self.deadline.as_secs_f64();
        let property = |name: &str, value: String| format!("--property={name}={value}");
        let mut call = Invocation::new("systemd-run")
            .args(["--quiet", "--pipe", "--wait", "--collect", "--unit", unit])
            .arg(format!("--description={} of Berth", self.user))
            .arg(property("User", self.user.to_owned()))
            .args(PROPERTIES.map(|property| format!("--property={property}")))
            .arg(property("MemoryMax", self.memory.to_string()))
            .arg(property("MemorySwapMax", "0".to_owned()))
            // Where the kernel has no memory controller, and for a clear error
            // of the program's own.
            .arg(property("LimitAS", self.memory.to_string()))
            .arg(property("TasksMax", "256".to_owned()))
            .arg(property("RuntimeMaxSec", format!("{}", (self.deadline + 2 * GRACE).as_secs_f64())));
        if self.network == Network::None {
            call = call.arg(property("PrivateNetwork", "yes".to_owned()));
        }
        if let Some(bytes) = self.file_max {
            call = call.arg(property("LimitFSIZE", bytes.to_string()));
        }
        for folder in &self.writable {
            call = call.arg(property("ReadWritePaths", folder.display().to_string()));
        }
        for folder in &self.hidden {
            call = call.arg(property("InaccessiblePaths", format!("-{}", folder.display())));
        }
        call = call.args([format!("--setenv=PATH={PATH}"), "--setenv=HOME=/tmp".to_owned()]);
        call = call.arg("--setenv=LC_ALL=C.UTF-8");
        call = call.args(self.env.iter().map(|(name, value)| format!("--setenv={name}={value}")));
        // In the foreground `timeout` kills the program alone, not its own group
        // and so itself; the rest of the unit goes with it.
        call.args(["--", "timeout", "--foreground"])
            .args([format!("--kill-after={}s", GRACE.as_secs()), format!("{seconds}s")])
            .args(self.argv.iter().map(|arg| match arg.to_str() {
                Some(text) => unexpanded(text).into(),
                None => arg.clone(),
            }))
            .aim(self.aim.clone())
            .keep(self.keep)
            .deadline(self.deadline + 4 * GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_program_is_this_call() {
        let confined = Confined::new(
            "berth-git",
            "fetch acme/site",
            Duration::from_mins(10),
            "1G".parse().expect("an amount"),
        )
        .args(["git", "fetch", "a$b"])
        .network(Network::Host)
        .file_max(1 << 30)
        .writable("/var/lib/berth/mirrors/7.git");
        insta::assert_snapshot!(confined.invocation("berth-git-2a.service").call());
    }
}
