//! The real Caddy, from 2.6 on.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::Domain;
use berth_core::site::CaddyFeatures;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::check::{alone, is_one_site};
use super::messages::{is_not_running, last_error};
use super::{Caddy, CaddyError};
use crate::exec::{ExecError, Invocation, Stdin};
use crate::printable::printable_line;

const ASK: Duration = Duration::from_secs(20);
/// Two thousand routes take a second; a busy machine gets the rest.
const RELOAD: Duration = Duration::from_mins(1);
/// More than the configuration of ten thousand routes.
const ADAPTED_MAX: usize = 64 << 20;

/// The Caddy of this host.
pub struct CaddyCli {
    config: PathBuf,
    admin: String,
    features: OnceCell<CaddyFeatures>,
}

impl CaddyCli {
    /// The one that runs with this Caddyfile, the operator's, and has its admin
    /// endpoint here: `unix//run/caddy/admin.sock` or `localhost:2019`.
    pub fn new(config: PathBuf, admin: String) -> Self {
        Self { config, admin, features: OnceCell::new() }
    }

    fn reload_invocation(&self) -> Invocation {
        Invocation::new("caddy")
            .args(["reload", "--adapter", "caddyfile", "--config"])
            .arg(&self.config)
            .args(["--address", &self.admin])
            .aim("reload Caddy")
            .deadline(RELOAD)
            // A Caddy that never answers would hold the lock of the routes,
            // which the child has inherited, after we were killed.
            .ends_without_us()
    }
}

#[async_trait]
impl Caddy for CaddyCli {
    async fn features(&self) -> Result<CaddyFeatures, CaddyError> {
        self.features.get_or_try_init(ask_features).await.copied()
    }

    async fn check(&self, route_file: &str) -> Result<(), CaddyError> {
        let output = match check_invocation(route_file).run().await {
            Err(ExecError::Failed { stderr, .. }) => {
                return Err(CaddyError::Check(last_error(&stderr.text())));
            }
            ran => ran.map_err(CaddyError::RunCheck)?,
        };
        let adapted = output.whole_stdout().map_err(CaddyError::RunCheck)?;
        if is_one_site(adapted) { Ok(()) } else { Err(CaddyError::Escape) }
    }

    async fn reload(&self) -> Result<(), CaddyError> {
        match self.reload_invocation().run().await {
            Ok(_) => Ok(()),
            Err(ExecError::Failed { stderr, .. }) => {
                let said = last_error(&stderr.text());
                Err(if is_not_running(&said) { CaddyError::NotRunning } else { CaddyError::Reload(said) })
            }
            Err(error) => Err(CaddyError::RunReload(error)),
        }
    }

    async fn serves(&self, domain: &Domain) -> Result<bool, CaddyError> {
        if !matches!(timeout(ASK, listens(&self.admin)).await, Ok(true)) {
            return Err(CaddyError::NotRunning);
        }
        let adapt = Invocation::new("caddy")
            .args(["adapt", "--adapter", "caddyfile", "--config"])
            .arg(&self.config)
            .aim("read the configuration of Caddy")
            .keep(ADAPTED_MAX)
            .deadline(RELOAD);
        let output = match adapt.run().await {
            Err(ExecError::Failed { stderr, .. }) => {
                return Err(CaddyError::Check(last_error(&stderr.text())));
            }
            ran => ran.map_err(CaddyError::RunCheck)?,
        };
        let adapted = output.whole_stdout().map_err(CaddyError::RunCheck)?;
        let wildcard = format!("\"*.{domain}\"");
        Ok(String::from_utf8_lossy(adapted).contains(&wildcard))
    }
}

/// Whether somebody listens at an admin endpoint.
async fn listens(admin: &str) -> bool {
    match admin.strip_prefix("unix/") {
        Some(path) => UnixStream::connect(path).await.is_ok(),
        None => TcpStream::connect(admin).await.is_ok(),
    }
}

async fn ask_features() -> Result<CaddyFeatures, CaddyError> {
    let output = version_invocation().run().await.map_err(CaddyError::AskVersion)?;
    let told = output.stdout.text();
    CaddyFeatures::of_version_text(&told).ok_or_else(|| {
        let line = told.lines().next().unwrap_or_default();
        CaddyError::Version(printable_line(line).chars().take(80).collect())
    })
}

fn version_invocation() -> Invocation {
    Invocation::new("caddy").arg("version").aim("ask Caddy for its version").deadline(ASK)
}

/// The text goes in by stdin, so that nothing has to be cleaned up. Validating
/// loads every handler without starting one: so all that a reload could refuse
/// in this file is refused here.
fn check_invocation(route_file: &str) -> Invocation {
    Invocation::new("caddy")
        .args(["adapt", "--validate", "--adapter", "caddyfile", "--config", "/dev/stdin"])
        .stdin(Stdin::Bytes(alone(route_file).into_bytes()))
        .aim("check a route file")
        .deadline(ASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_are_these() {
        let caddy = CaddyCli::new("/etc/caddy/Caddyfile".into(), "unix//run/caddy/admin.sock".to_owned());
        let calls = [version_invocation(), check_invocation("respond hi"), caddy.reload_invocation()];
        let calls: Vec<String> = calls.iter().map(|invocation| invocation.call().to_string()).collect();
        insta::assert_snapshot!(calls.join("\n"), @r"
        caddy version
        caddy adapt --validate --adapter caddyfile --config /dev/stdin
        caddy reload --adapter caddyfile --config /etc/caddy/Caddyfile --address unix//run/caddy/admin.sock
        ");
    }
}
