//! The server of `preview-webhook` with a store that keeps nothing, for
//! `./dev bench webhook`: what storing costs is the difference. It is an
//! example, so that the program itself has no way to throw deliveries away.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::delivery::{Envelope, WebhookSecret};
use berth_webhook::{Limits, Listener, Metrics, Server, State, Store, StoreError, Usage, app};
use bytes::Bytes;
use jiff::Timestamp;

struct Nowhere;

#[async_trait]
impl Store for Nowhere {
    async fn store(&self, _: Envelope, _: Bytes) -> Result<(), StoreError> {
        Ok(())
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        Ok(Usage::default())
    }
}

/// `discarding ADDRESS SECRET`: the secret is the benchmark's, and no secret.
#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, secret] = arguments.as_slice() else {
        return Err(io::Error::other("usage: discarding ADDRESS SECRET"));
    };
    let secret = WebhookSecret::new(secret.as_bytes()).map_err(io::Error::other)?;
    // Logs are part of what the program does.
    tracing_subscriber::fmt().json().with_writer(io::stderr).init();
    let metrics = Arc::new(Metrics::default());
    let rate = NonZeroU32::MIN.saturating_add(9_999);
    let state = State {
        secrets: [secret].into(),
        store: Arc::new(Nowhere),
        limits: Arc::new(Limits::new(rate, Duration::from_secs(10))),
        metrics: Arc::clone(&metrics),
        clock: Timestamp::now,
    };
    let mut server = Server::new(512, metrics);
    server.serve(Listener::Tcp(tokio::net::TcpListener::bind(address).await?), app(state));
    std::future::pending().await
}
