//! The real ssh.

use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::Layout;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Hurdle, LoginError, Logins, Probe, Session, Target, route, ssh};
use crate::exec::{ExecError, Exit, Invocation, Output};
use crate::printable::printable_line;

const PORT: u16 = 22;

/// How long the kernel of the container may take to answer: it is this host's.
/// Longer is of no use, as the first packet that is lost is sent again only
/// after a second.
const CONNECT: Duration = Duration::from_millis(250);

/// From the first byte to the end of `true`. A guest that boots is busy.
const LOGIN: Duration = Duration::from_secs(20);

/// Logins through the host's ssh.
pub struct SshLogins {
    layout: Layout,
}

impl SshLogins {
    /// With the keys of this layout.
    pub fn new(layout: &Layout) -> Self {
        Self { layout: layout.clone() }
    }

    /// A session of a person, for [`Invocation::replace`] or
    /// [`Invocation::stream`]. Writes the pinned host key for it.
    pub fn session(&self, target: &Target, session: Session) -> Result<Invocation, LoginError> {
        ssh::write_known_hosts(&self.layout, target)?;
        Ok(ssh::session(&self.layout, target, session))
    }
}

#[async_trait]
impl Logins for SshLogins {
    async fn probe(&self, target: &Target) -> Result<Probe, LoginError> {
        if let Some(hurdle) = knock(target).await {
            return Ok(Probe::NotYet(hurdle));
        }
        route::quicken(target).await;
        ssh::write_known_hosts(&self.layout, target)?;
        ssh::clear_shared_login(&self.layout, target)?;
        match ssh::probe(&self.layout, target).deadline(LOGIN).run_any().await {
            Ok(output) => judge(&output, target),
            Err(ExecError::Deadline { .. }) => {
                Ok(Probe::NotYet(Hurdle::NoLogin(format!("no login within {LOGIN:?}"))))
            }
            Err(error) => Err(LoginError::Run(error)),
        }
    }
}

/// Whether something listens, without a process.
async fn knock(target: &Target) -> Option<Hurdle> {
    let address = SocketAddrV4::new(target.address, PORT);
    match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Some(Hurdle::Refused),
        Ok(Err(_)) | Err(_) => Some(Hurdle::Unreachable),
    }
}

/// Tells a login, a wrong key and everything that may yet come right apart.
/// ssh has one exit code for all its failures.
fn judge(output: &Output, target: &Target) -> Result<Probe, LoginError> {
    if output.exit == Exit::Code(0) {
        return Ok(Probe::LoggedIn);
    }
    let said = output.stderr.text();
    let is_wrong_key = ["Host key verification failed", "no matching host key type", "host key is known"]
        .iter()
        .any(|sign| said.contains(sign));
    if is_wrong_key {
        return Err(LoginError::HostKey { container: target.container });
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    let reason = last.map_or_else(|| format!("`true` ended with {}", output.exit), printable_line);
    Ok(Probe::NotYet(Hurdle::NoLogin(reason)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::exec::{Call, Captured};

    fn target() -> Target {
        Target {
            container: "a12".parse().expect("a container"),
            address: Ipv4Addr::new(10, 100, 0, 25),
            host_key: "ssh-ed25519 AAAAC3Nza".to_owned(),
        }
    }

    fn output(code: i32, stderr: &str) -> Output {
        Output {
            call: Arc::new(Call { aim: "log in".to_owned(), argv: vec!["ssh".into()] }),
            exit: Exit::Code(code),
            stdout: Captured::default(),
            stderr: Captured { bytes: stderr.as_bytes().to_vec(), cut: 0 },
        }
    }

    #[test]
    fn another_host_key_is_final() {
        for said in [
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\r\n",
            "No ED25519 host key is known for a12 and you have requested strict checking.\r\nHost key verification failed.\r\n",
            "Unable to negotiate with 10.100.0.25 port 22: no matching host key type found. Their offer: rsa-sha2-512\r\n",
        ] {
            let judged = judge(&output(255, said), &target());
            assert!(matches!(judged, Err(LoginError::HostKey { .. })), "{said}");
        }
    }

    #[test]
    fn everything_else_may_come_right() {
        assert_eq!(judge(&output(0, "").clone(), &target()).expect("a judgement"), Probe::LoggedIn);
        for (code, said, reason) in [
            (
                255,
                "agent@10.100.0.25: Permission denied (publickey).\r\n",
                "agent@10.100.0.25: Permission denied (publickey).",
            ),
            (255, "\u{1b}[2Jbanner\r\nConnection closed\r\n", "Connection closed"),
            (255, "\u{1b}[2Jbanner", "\\u{1b}[2Jbanner"),
            (1, "", "`true` ended with exit code 1"),
        ] {
            let judged = judge(&output(code, said), &target()).expect("a judgement");
            assert_eq!(judged, Probe::NotYet(Hurdle::NoLogin(reason.to_owned())));
        }
    }

    #[tokio::test]
    async fn where_nothing_listens_no_process_is_started() {
        let logins = SshLogins::new(&Layout::below("/nonexistent"));
        let before = crate::exec::started();
        let target = Target { address: Ipv4Addr::new(127, 255, 13, 77), ..target() };
        let probe = logins.probe(&target).await.expect("a try");
        assert_eq!(probe, Probe::NotYet(Hurdle::Refused));
        assert_eq!(crate::exec::started(), before);
    }
}
