//! The real network.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::connections::opened_to;
use super::{Network, ProbeError};

/// The most that is read of an answer's head, in bytes.
const HEAD: usize = 64 << 10;
/// The kernel's table of TCP connections over IPv4 ([`proc_net_tcp`](https://docs.kernel.org/networking/proc_net_tcp.html)).
const TABLE: &str = "/proc/net/tcp";

/// The network of this host.
pub struct HostNetwork;

#[async_trait]
impl Network for HostNetwork {
    async fn status(
        &self,
        address: SocketAddr,
        host: &str,
        path: &str,
        deadline: Duration,
    ) -> Result<u16, ProbeError> {
        let request = request(host, path)?;
        let asked = tokio::time::timeout(deadline, ask(address, request)).await;
        asked.unwrap_or(Err(ProbeError::TimedOut { address, after: deadline }))
    }

    async fn connect(&self, address: SocketAddr, deadline: Duration) -> Result<(), ProbeError> {
        let connected = tokio::time::timeout(deadline, connected(address)).await;
        connected.unwrap_or(Err(ProbeError::TimedOut { address, after: deadline })).map(drop)
    }

    fn connections(&self, container: Ipv4Addr) -> io::Result<usize> {
        opened_to(&fs::read_to_string(TABLE)?, container)
    }
}

fn request(host: &str, path: &str) -> Result<Request<Empty<Bytes>>, ProbeError> {
    let built =
        Request::get(path).header(HOST, host).header(USER_AGENT, "berth").body(Empty::new()).and_then(
            |request| {
                // `*` and whole addresses are targets too, and no paths.
                let is_path = request.uri().authority().is_none() && request.uri().path().starts_with('/');
                if is_path { Ok(request) } else { Request::get("not a path").body(Empty::new()) }
            },
        );
    built.map_err(|source| ProbeError::Request { host: host.to_owned(), path: path.to_owned(), source })
}

async fn ask(address: SocketAddr, request: Request<Empty<Bytes>>) -> Result<u16, ProbeError> {
    let stream = connected(address).await?;
    let not_http = |source| ProbeError::NotHttp { address, source };
    let shaken = http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(not_http)?;
    // The connection does the reading, here and not in a task of its own: it
    // ends with this future.
    let connection = async {
        let ended = connection.await;
        if ended.is_err() { ended } else { std::future::pending().await }
    };
    tokio::select! {
        biased;
        answer = sender.send_request(request) => Ok(answer.map_err(not_http)?.status().as_u16()),
        Err(error) = connection => Err(not_http(error)),
    }
}

async fn connected(address: SocketAddr) -> Result<TcpStream, ProbeError> {
    TcpStream::connect(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::ConnectionRefused => ProbeError::Refused { address },
        _ => ProbeError::Unreachable { address, source },
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A peer for one connection, which gets what was asked.
    fn peer(answer: impl FnOnce(String, std::net::TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut asked = vec![0; 4096];
            let count = stream.read(&mut asked).unwrap_or_default();
            answer(String::from_utf8_lossy(&asked[..count]).into_owned(), stream);
        });
        address
    }

    fn says(text: &'static str) -> SocketAddr {
        peer(move |_, mut stream| _ = stream.write_all(text.as_bytes()))
    }

    async fn status(address: SocketAddr) -> Result<u16, ProbeError> {
        HostNetwork.status(address, "x.preview.test", "/", LONG).await
    }

    #[tokio::test]
    async fn one_request_is_made_with_the_host_and_no_redirect_is_followed() {
        let (sender, asked) = std::sync::mpsc::channel();
        let address = peer(move |asked, mut stream| {
            sender.send(asked).expect("heard");
            let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\n\r\n");
        });
        let status = HostNetwork.status(address, "x.preview.test", "/up?a=1", LONG).await.expect("an answer");
        assert_eq!(status, 302);
        assert_eq!(
            asked.recv().expect("asked"),
            "GET /up?a=1 HTTP/1.1\r\nhost: x.preview.test\r\nuser-agent: berth\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn whoever_listens_is_connected_to_whatever_it_speaks() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("an address");
        HostNetwork.connect(address, LONG).await.expect("it listens");
    }

    #[tokio::test]
    async fn only_the_head_is_awaited() {
        let endless = peer(|_, mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert_eq!(status(endless).await.expect("an answer"), 200);
        let early = says("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.0 204 No Content\r\n\r\n");
        assert_eq!(status(early).await.expect("an answer"), 204);
    }

    #[tokio::test]
    async fn what_is_no_http_is_told_apart_from_nobody_there() {
        for bad in ["SSH-2.0-OpenSSH_9.2\r\n", "", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nhalf"] {
            let error = status(says(bad)).await.expect_err(bad);
            assert!(matches!(error, ProbeError::NotHttp { .. }), "{bad}: {error:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let nobody = listener.local_addr().expect("an address");
        drop(listener);
        for error in [
            status(nobody).await.expect_err("nobody"),
            HostNetwork.connect(nobody, LONG).await.expect_err("nobody"),
        ] {
            assert!(matches!(error, ProbeError::Refused { address } if address == nobody), "{error:?}");
        }
    }

    #[tokio::test]
    async fn endless_heads_end_at_their_size() {
        let endless = peer(|_, mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert!(matches!(status(endless).await, Err(ProbeError::NotHttp { .. })));
        let hints =
            peer(|_, mut stream| while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").is_ok() {});
        let soon = Duration::from_millis(200);
        let error = HostNetwork.status(hints, "x", "/", soon).await.expect_err("endless");
        assert!(matches!(error, ProbeError::TimedOut { .. } | ProbeError::NotHttp { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn slow_drips_end_at_the_deadline() {
        let slow = peer(|_, mut stream| {
            while stream.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_hours(1));
            }
        });
        let after = Duration::from_millis(50);
        let error = HostNetwork.status(slow, "x", "/", after).await.expect_err("slow");
        assert!(matches!(error, ProbeError::TimedOut { after: told, .. } if told == after), "{error:?}");
    }

    #[tokio::test]
    async fn what_is_no_path_is_not_asked_for() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        for (host, path) in
            [("x", "*"), ("x", "http://10.0.0.1/"), ("x", "a b"), ("x\r\ny: z", "/"), ("x", "")]
        {
            let error = HostNetwork.status(nobody, host, path, LONG).await.expect_err(path);
            assert!(matches!(error, ProbeError::Request { .. }), "{host:?} {path:?}: {error:?}");
        }
    }

    #[test]
    fn own_connections_are_in_the_kernels_table() {
        let listener = TcpListener::bind("127.3.2.1:0").expect("a port");
        let address = Ipv4Addr::new(127, 3, 2, 1);
        assert_eq!(HostNetwork.connections(address).expect("a table"), 0);
        let opened = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("open");
        assert_eq!(HostNetwork.connections(address).expect("a table"), 1);
        drop((opened, listener));
    }
}
