//! What the host sees of a container's network.

mod connections;
#[cfg(any(test, feature = "fake"))]
mod fake;
mod real;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakeNetwork;
#[cfg(any(test, feature = "fake"))]
pub(crate) use self::fake::FakeNetworkState;
pub use self::real::HostNetwork;

/// The network between the host and its containers.
#[async_trait]
pub trait Network: Send + Sync {
    /// The status of one GET over HTTP/1.1, with this Host header and path
    /// (with its query). No redirect is followed, and of the answer only the
    /// head is read: at most 64 KiB, within the deadline. Who answers is not
    /// trusted.
    async fn status(
        &self,
        address: SocketAddr,
        host: &str,
        path: &str,
        deadline: Duration,
    ) -> Result<u16, ProbeError>;

    /// One TCP connection, closed at once: whether anybody listens.
    async fn connect(&self, address: SocketAddr, deadline: Duration) -> Result<(), ProbeError>;

    /// How many TCP connections the host has open to a container: those that it
    /// opened itself, as Caddy does for visitors. Left out are logins over ssh,
    /// and what the container has opened, such as to its database.
    fn connections(&self, container: Ipv4Addr) -> io::Result<usize>;
}

/// Why a container gave no status, or no connection.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// Nothing listens there.
    #[error("nothing listens at {address}")]
    Refused {
        /// Where.
        address: SocketAddr,
    },
    /// There is no way there, as when the container is down.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// It took too long: to be reached, or to answer.
    #[error("{address} gave no answer within {after:?}")]
    TimedOut {
        /// Where.
        address: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// Something listens, and its answer is none of HTTP, or it closed without one.
    #[error("what listens at {address} gives no answer over HTTP")]
    NotHttp {
        /// Where.
        address: SocketAddr,
        /// What is wrong with it.
        source: hyper::Error,
    },
    /// The host or the path cannot be asked for.
    #[error("`{host}{path}` cannot be asked for over HTTP")]
    Request {
        /// The host.
        host: String,
        /// The path.
        path: String,
        /// What is wrong with them.
        source: hyper::http::Error,
    },
}
