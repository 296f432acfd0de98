//! What is answered where.

use std::sync::Arc;

use axum::Router;
use axum::extract;
use axum::http::StatusCode;
use axum::routing::{get, post};
use berth_core::delivery::{Event, WebhookSecret};
use jiff::Timestamp;

use crate::limits::Limits;
use crate::metrics::{self, Metrics};
use crate::refusal::Refusal;
use crate::signed::{Signed, computed};
use crate::store::Store;

/// What the handlers share.
#[derive(Clone)]
pub struct State {
    /// The current secret and, while it is replaced, the previous one.
    pub secrets: Arc<[WebhookSecret]>,
    /// Where deliveries go.
    pub store: Arc<dyn Store>,
    /// How much is taken in at once.
    pub limits: Arc<Limits>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What time it is.
    pub clock: fn() -> Timestamp,
}

/// The public side.
pub fn app(state: State) -> Router {
    let counted = axum::middleware::from_fn_with_state(Arc::clone(&state.metrics), metrics::count);
    Router::new()
        .route("/webhook/github", post(github).route_layer(counted))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .with_state(state)
}

/// Takes a delivery: 202 once it is stored, 204 if it means nothing here.
async fn github(
    extract::State(state): extract::State<State>,
    Signed { envelope, raw }: Signed,
) -> Result<StatusCode, Refusal> {
    let (name, kind, bytes) = (envelope.event.clone(), envelope.content_type, raw.bytes.clone());
    let event = computed(bytes.len(), move || Event::parse(&name, kind, &bytes)).await?;
    let (delivery, event_name, length) = (envelope.delivery.clone(), envelope.event.clone(), raw.bytes.len());
    let ignored = match event.map_err(Refusal::Payload)? {
        Event::PullRequest(_) | Event::Comment(_) => None,
        Event::Ping => Some("a ping".to_owned()),
        Event::Ignored(reason) => Some(reason.to_string()),
    };
    if let Some(reason) = ignored {
        tracing::info!(%delivery, event = %event_name, reason, "ignored");
        return Ok(StatusCode::NO_CONTENT);
    }
    state.store.store(envelope, raw.bytes).await.map_err(Refusal::Store)?;
    drop(raw.permit);
    tracing::info!(%delivery, event = %event_name, bytes = length, "stored");
    Ok(StatusCode::ACCEPTED)
}

/// Whether the next delivery would be stored.
async fn ready(extract::State(state): extract::State<State>) -> (StatusCode, &'static str) {
    match state.store.usage().await {
        Ok(usage) if !usage.is_full => (StatusCode::OK, "ready"),
        Ok(_) => (StatusCode::SERVICE_UNAVAILABLE, "no room"),
        Err(error) => {
            tracing::error!(reason = crate::refusal::chain(&error), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        }
    }
}
