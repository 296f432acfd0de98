//! What is counted, for Prometheus, on a socket of its own.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::store::Store;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    status: u16,
}

/// The counters of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    deliveries: Family<Answer, Counter>,
    seconds: Histogram,
    files: Gauge,
    bytes: Gauge,
    pub(crate) connections: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("preview_webhook");
        let deliveries = Family::default();
        let seconds = Histogram::new(exponential_buckets(0.000_5, 2.0, 15));
        let [files, bytes, connections] = std::array::from_fn(|_| Gauge::default());
        registry.register("deliveries", "Deliveries by the status of the answer", deliveries.clone());
        registry.register_with_unit("answer", "Time to the answer", Unit::Seconds, seconds.clone());
        registry.register("spool_files", "Deliveries in the spool", files.clone());
        registry.register_with_unit("spool", "Size of the spool", Unit::Bytes, bytes.clone());
        registry.register("connections", "Open connections", connections.clone());
        Self { registry, deliveries, seconds, files, bytes, connections }
    }
}

/// Counts an answer and its time.
pub(crate) async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let response = next.run(request).await;
    metrics.deliveries.get_or_create(&Answer { status: response.status().as_u16() }).inc();
    metrics.seconds.observe(begin.elapsed().as_secs_f64());
    response
}

/// The private side: `GET /metrics`.
pub fn metrics_app(metrics: Arc<Metrics>, store: Arc<dyn Store>) -> Router {
    Router::new().route("/metrics", get(show)).with_state((metrics, store))
}

async fn show(State((metrics, store)): State<(Arc<Metrics>, Arc<dyn Store>)>) -> Response {
    if let Ok(usage) = store.usage().await {
        metrics.files.set(usage.files.try_into().unwrap_or(i64::MAX));
        metrics.bytes.set(usage.bytes.try_into().unwrap_or(i64::MAX));
    }
    let mut text = String::new();
    if encode(&mut text, &metrics.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
