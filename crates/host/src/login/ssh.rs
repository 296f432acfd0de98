//! The command line of every ssh that Berth starts.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use berth_core::Layout;
use berth_core::guest::AGENT_USER;

use super::{LoginError, Target};
use crate::exec::Invocation;
use crate::replace_file::replace_file;

/// Options that hold for every login. Nothing comes from the operator's or the
/// host's ssh configuration, nothing of the caller's is forwarded, and the
/// container proves the one key that it was given.
///
/// What saves time weakens nothing: no GSSAPI, no password methods to ask for,
/// no agent to talk to, no reverse look-ups.
const OPTIONS: &[&str] = &[
    "AddressFamily=inet",
    "BatchMode=yes",
    "CheckHostIP=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "GSSAPIAuthentication=no",
    "GlobalKnownHostsFile=none",
    "HostKeyAlgorithms=ssh-ed25519",
    "HostbasedAuthentication=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "KbdInteractiveAuthentication=no",
    "LogLevel=ERROR",
    "PasswordAuthentication=no",
    "PermitLocalCommand=no",
    "PreferredAuthentications=publickey",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
];

/// Berth's own session into a container: `agent ssh`.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Further options for ssh, such as `-t`.
    pub options: Vec<OsString>,
    /// The words that the shell inside gets, joined by spaces, as with every
    /// ssh; a shell of its own when empty.
    pub command: Vec<OsString>,
    /// The kind of the caller's terminal (`TERM`).
    pub term: Option<OsString>,
}

/// The invocation of a session, for [`Invocation::replace`]. The pinned key
/// must have been written by [`write_known_hosts`].
pub(super) fn session(layout: &Layout, target: &Target, session: Session) -> Invocation {
    // A container that is killed says no goodbye.
    let alive = ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-o", "ConnectTimeout=10"];
    let shared = ["-o", "ControlMaster=no", "-o", &shared_login(layout, target)];
    let mut call = client(layout, target).args(shared).args(alive).args(session.options);
    if let Some(term) = session.term {
        call = call.env("TERM", term);
    }
    destination(call, target).args(session.command).aim(format!("log in to {}", target.container))
}

/// The invocation of one try. The login that succeeds stays open for a minute,
/// and the session that comes next shares it: it begins in a tenth of the time.
/// ssh sends itself to the background for that, in a session of its own and
/// with nothing of ours open; it goes with the container's sshd, or within
/// seconds after the container is gone without a word.
pub(super) fn probe(layout: &Layout, target: &Target) -> Invocation {
    let shared = ["-o", "ControlMaster=yes", "-o", "ControlPersist=60", "-o", &shared_login(layout, target)];
    let alive = ["-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=2", "-o", "ConnectTimeout=5"];
    let call = client(layout, target).args(["-T", "-n"]).args(shared).args(alive);
    destination(call, target).arg("true").aim(format!("log in to {}", target.container))
}

fn client(layout: &Layout, target: &Target) -> Invocation {
    let alias = format!("HostKeyAlias={}", target.container);
    let mut known_hosts = OsString::from("UserKnownHostsFile=");
    known_hosts.push(quoted(&layout.known_hosts(target.container)));
    Invocation::new("ssh")
        .args(["-F", "none", "-i"])
        .arg(layout.client_key())
        .args(OPTIONS.iter().flat_map(|option| ["-o", option]))
        .args(["-o", &alias, "-o"])
        .arg(known_hosts)
}

fn destination(call: Invocation, target: &Target) -> Invocation {
    // The `--` ends ssh's own options: the words of the command keep theirs.
    call.arg("--").arg(format!("{AGENT_USER}@{}", target.address))
}

fn shared_login(layout: &Layout, target: &Target) -> String {
    format!("ControlPath={}", quoted(&layout.shared_login(target.container)).to_string_lossy())
}

/// A path as a value of an ssh option: such a value is split at spaces and has
/// `%` tokens.
fn quoted(path: &Path) -> OsString {
    let text = path.to_string_lossy().replace('%', "%%");
    if text.contains(' ') { format!("\"{text}\"").into() } else { text.into() }
}

/// Makes the folder of the shared logins, and removes the socket of an earlier
/// one: a container that is waited for has none that is of use.
pub(super) fn clear_shared_login(layout: &Layout, target: &Target) -> Result<(), LoginError> {
    let path = layout.shared_login(target.container);
    let cleared = make_private(&layout.shared_logins_dir()).and_then(|()| match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    });
    cleared.map_err(|source| LoginError::SharedLogin { path, source })
}

/// Writes the pinned key where ssh will look for it. Left alone when it is
/// right already: sessions come often.
pub(super) fn write_known_hosts(layout: &Layout, target: &Target) -> Result<(), LoginError> {
    let path = layout.known_hosts(target.container);
    let content = format!("{} {}\n", target.container, target.host_key);
    if fs::read(&path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    let written =
        make_private(&layout.known_hosts_dir()).and_then(|()| replace_file(&path, content.as_bytes(), 0o600));
    written.map_err(|source| LoginError::KnownHosts { path, source })
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn target() -> Target {
        Target {
            container: "a12".parse().expect("a container"),
            address: Ipv4Addr::new(10, 100, 0, 25),
            host_key: "ssh-ed25519 AAAAC3Nza".to_owned(),
        }
    }

    #[test]
    fn a_probe_is_this_call() {
        insta::assert_snapshot!(probe(&Layout::host(), &target()).call());
    }

    #[test]
    fn a_session_is_this_call() {
        let given = Session {
            options: vec!["-t".into()],
            command: vec!["echo".into(), "$HOME".into()],
            term: Some("xterm".into()),
        };
        insta::assert_snapshot!(session(&Layout::host(), &target(), given).call());
    }

    #[test]
    fn the_pinned_key_is_written_for_root_only_and_replaced_when_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        let mut target = target();
        for key in ["ssh-ed25519 AAAAone", "ssh-ed25519 AAAAone", "ssh-ed25519 AAAAtwo"] {
            target.host_key = key.to_owned();
            write_known_hosts(&layout, &target).expect("written");
            let text = fs::read_to_string(layout.known_hosts(target.container)).expect("there");
            assert_eq!(text, format!("a12 {key}\n"));
        }
        let mode = fs::metadata(layout.known_hosts_dir()).expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }
}
