//! Caddy: what it is asked, and what it answers when it refuses.

mod check;
#[cfg(any(test, feature = "fake"))]
mod fake;
mod messages;
mod real;

use async_trait::async_trait;
use berth_core::Domain;
use berth_core::site::CaddyFeatures;
use thiserror::Error;

use crate::exec::ExecError;

#[cfg(any(test, feature = "fake"))]
pub(crate) use self::fake::FakeCaddyState;
#[cfg(any(test, feature = "fake"))]
pub use self::fake::{FakeCaddy, REFUSED_AT_LOAD, REFUSED_BY_CHECK};
pub use self::real::CaddyCli;

/// The web server in front of all previews.
#[async_trait]
pub trait Caddy: Send + Sync {
    /// What the installed version knows; asked once per value.
    async fn features(&self) -> Result<CaddyFeatures, CaddyError>;

    /// Whether one route file by itself is right: Caddy reads and loads it inside
    /// a site of its own, and what comes out must be that one site. Costs the same
    /// however many routes there are, and touches neither files nor the running
    /// Caddy.
    async fn check(&self, route_file: &str) -> Result<(), CaddyError>;

    /// Lets the running Caddy read its configuration anew, as a whole: where it
    /// refuses, it serves what it served before.
    async fn reload(&self) -> Result<(), CaddyError>;

    /// Whether Caddy runs and has the wildcard site of this domain in the
    /// configuration that it would read now.
    async fn serves(&self, domain: &Domain) -> Result<bool, CaddyError>;
}

/// What Caddy could not do or would not take.
#[derive(Debug, Error)]
pub enum CaddyError {
    /// Its version could not be asked.
    #[error(transparent)]
    AskVersion(ExecError),
    /// It told its version as it never did before.
    #[error("caddy tells its version as `{0}`; Berth needs a release, 2.6 or newer")]
    Version(String),
    /// A route file could not be checked.
    #[error(transparent)]
    RunCheck(ExecError),
    /// A route file is not what Caddy reads.
    #[error("caddy cannot read the route file: {0}")]
    Check(String),
    /// A route file would do more than serve hosts inside the wildcard site.
    #[error("the route file reaches beyond the site that imports it")]
    Escape,
    /// No Caddy answers at its admin address.
    #[error("caddy is not running; start it with `systemctl start caddy`")]
    NotRunning,
    /// Caddy refused its configuration and serves what it served before.
    #[error("caddy refuses its configuration: {0}")]
    Reload(String),
    /// The reload did not come to its end. Caddy may have taken the
    /// configuration or not.
    #[error(transparent)]
    RunReload(ExecError),
}
