//! Connections: how many, how long, and how they end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::limits::Peer;
use crate::metrics::Metrics;
use crate::sockets::{Listener, Stream};

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);
/// The most headers, and bytes of them.
const HEADERS: usize = 64;
const HEAD_BYTES: usize = 16 << 10;
/// How long to wait after a failed `accept`: out of descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may go on after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Serves sockets with a number of connections at most; others wait in the
/// sockets' queues.
///
/// A connection carries one request: a proxy never sends a delivery into a
/// connection that is being closed for idleness, which it could not repeat.
pub struct Server {
    accepting: JoinSet<()>,
    stop: watch::Sender<()>,
    connections: u32,
    permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every request was answered.
    Answered,
    /// Some were cut.
    Cut,
}

impl Server {
    /// A server without sockets.
    pub fn new(connections: u32, metrics: Arc<Metrics>) -> Self {
        Self {
            accepting: JoinSet::new(),
            stop: watch::Sender::new(()),
            connections,
            permits: Arc::new(Semaphore::new(connections as usize)),
            metrics,
        }
    }

    /// Answers what comes in on a socket.
    pub fn serve(&mut self, listener: Listener, router: Router) {
        let mut stop = self.stop.subscribe();
        let connections =
            Connections { router, permits: Arc::clone(&self.permits), metrics: Arc::clone(&self.metrics) };
        self.accepting.spawn(async move {
            tokio::select! {
                () = connections.accept(&listener) => {}
                _ = stop.changed() => {}
            }
        });
    }

    /// Takes no more connections, and waits for those that are open.
    pub async fn stop(mut self) -> Stopped {
        self.stop.send_replace(());
        while self.accepting.join_next().await.is_some() {}
        // Each connection has one.
        match tokio::time::timeout(GRACE, self.permits.acquire_many(self.connections)).await {
            Ok(_) => Stopped::Answered,
            Err(_) => Stopped::Cut,
        }
    }
}

struct Connections {
    router: Router,
    permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Connections {
    async fn accept(&self, listener: &Listener) {
        loop {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            let permit = permit.expect("nobody closes the semaphore");
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let answered = self.answer(stream, peer);
                    let metrics = Arc::clone(&self.metrics);
                    tokio::spawn(async move {
                        metrics.connections.inc();
                        answered.await;
                        metrics.connections.dec();
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::error!(reason = %error, "no connection could be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn answer(&self, stream: Stream, peer: Peer) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        async move {
            match stream {
                Stream::Tcp(stream) => {
                    // The answer is one small packet; it need not wait.
                    let _ = stream.set_nodelay(true);
                    speak(TokioIo::new(stream), peer, router).await;
                }
                Stream::Unix(stream) => speak(TokioIo::new(stream), peer, router).await,
            }
        }
    }
}

async fn speak<I: Read + Write + Unpin + Send + 'static>(io: I, peer: Peer, router: Router) {
    let service = service_fn(move |request| respond(router.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(io, service);
    if let Err(error) = connection.await {
        tracing::debug!(reason = %error, "a connection ended early");
    }
}

async fn respond(router: Router, peer: Peer, request: Request<Incoming>) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    router.oneshot(request).await
}
