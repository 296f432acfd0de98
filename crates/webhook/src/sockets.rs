//! Where connections come from.

use std::io;
use std::net::SocketAddr;

use listenfd::ListenFd;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::limits::Peer;

/// The name of systemd's socket for metrics (`FileDescriptorName=`); all other
/// sockets are for deliveries.
const METRICS: &str = "metrics";

/// Why there is nothing to listen on.
#[derive(Debug, Error)]
pub(crate) enum SocketError {
    #[error("`{address}` cannot be listened on")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("socket {number} of systemd is no listening TCP or unix socket")]
    Passed { number: usize, source: io::Error },
    #[error("there is nothing to listen on: start the socket unit, or give `--listen`")]
    None,
}

/// A socket that connections come from.
#[derive(Debug)]
pub enum Listener {
    /// An address and a port.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

/// A connection.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Peer(Some(peer.ip()))))
            }
            Self::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), Peer(None))),
        }
    }
}

/// All sockets of the program.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) public: Vec<Listener>,
    pub(crate) metrics: Vec<Listener>,
}

/// Sockets as systemd passes them, not yet used by the runtime.
pub(crate) struct Passed(Vec<(bool, io::Result<Raw>)>);

enum Raw {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

impl Passed {
    /// Takes what systemd passes, with the names in `LISTEN_FDNAMES`. It takes
    /// variables out of the environment: call it before any thread.
    pub(crate) fn take(names: &str) -> Self {
        let mut passed = ListenFd::from_env();
        let mut names = names.split(':');
        let sockets = (0..passed.len()).map(|index| (names.next() == Some(METRICS), raw(&mut passed, index)));
        Self(sockets.collect())
    }

    /// Makes them sockets of the runtime, and adds those on addresses.
    pub(crate) async fn open(
        self,
        listen: Option<SocketAddr>,
        metrics: Option<SocketAddr>,
    ) -> Result<Sockets, SocketError> {
        let mut sockets = Sockets::default();
        for (number, (is_metrics, raw)) in self.0.into_iter().enumerate() {
            let listener = raw.and_then(Raw::listen);
            let listener = listener.map_err(|source| SocketError::Passed { number, source })?;
            if is_metrics { sockets.metrics.push(listener) } else { sockets.public.push(listener) }
        }
        for (address, list) in [(listen, &mut sockets.public), (metrics, &mut sockets.metrics)] {
            let Some(address) = address else { continue };
            let listener = TcpListener::bind(address).await;
            list.push(Listener::Tcp(listener.map_err(|source| SocketError::Bind { address, source })?));
        }
        if sockets.public.is_empty() { Err(SocketError::None) } else { Ok(sockets) }
    }
}

fn raw(passed: &mut ListenFd, index: usize) -> io::Result<Raw> {
    if let Ok(Some(listener)) = passed.take_unix_listener(index) {
        return Ok(Raw::Unix(listener));
    }
    let listener = passed.take_tcp_listener(index)?;
    listener.map(Raw::Tcp).ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Raw {
    fn listen(self) -> io::Result<Listener> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Listener::Tcp)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Listener::Unix)
            }
        }
    }
}
