//! Requests as GitHub sends them, and as it does not.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use berth_core::delivery::WebhookSecret;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use tower::ServiceExt;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::store::fake::{FakeStore, Mood};
use crate::{State, app};

pub(super) const OPENED: &str = include_str!("../../../core/src/delivery/fixtures/pull_request.opened.json");
pub(super) const SECRET: &str = "a secret of these days";
pub(super) const PREVIOUS: &str = "the secret before this one";

pub(super) struct Bed {
    pub(super) store: Arc<FakeStore>,
    pub(super) state: State,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

pub(super) fn secret(text: &str) -> WebhookSecret {
    WebhookSecret::new(text.as_bytes()).expect("a secret")
}

impl Bed {
    pub(super) fn new() -> Self {
        Self::with_rate(1000)
    }

    pub(super) fn with_rate(rate: u32) -> Self {
        let store = Arc::new(FakeStore::default());
        let rate = NonZeroU32::new(rate).expect("a rate");
        let state = State {
            secrets: [SECRET, PREVIOUS].map(secret).into(),
            store: Arc::clone(&store) as _,
            limits: Arc::new(Limits::new(rate, Duration::from_millis(200))),
            metrics: Arc::new(Metrics::default()),
            clock: || "2026-11-21T09:30:00Z".parse().expect("a time"),
        };
        Self { store, state }
    }

    pub(super) fn feel(&self, mood: Mood) {
        *self.store.mood.lock().expect("nobody panicked") = mood;
    }

    /// How many deliveries were stored.
    pub(super) fn stored(&self) -> usize {
        self.store.stored.lock().expect("nobody panicked").len()
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response = app(self.state.clone()).oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }
}

/// A delivery that can be spoiled before it is sent.
#[derive(Clone)]
pub(super) struct Sent {
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Sent {
    /// A good one.
    pub(super) fn new(event: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-github-event", event.to_owned()),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned()),
            ("x-hub-signature-256", secret(SECRET).sign(&body).to_string()),
        ];
        Self { headers, body }
    }

    pub(super) fn opened() -> Self {
        Self::new("pull_request", OPENED)
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self = self.without(name);
        self.and(name, value)
    }

    pub(super) fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| *found != name);
        self
    }

    pub(super) fn signed_by(self, text: &str) -> Self {
        let signature = secret(text).sign(&self.body).to_string();
        self.with("x-hub-signature-256", &signature)
    }

    pub(super) fn request(self) -> Request<Body> {
        let body = Body::from(self.body.clone());
        self.request_with(body)
    }

    pub(super) fn request_with(self, body: Body) -> Request<Body> {
        let mut request = Request::builder().method(Method::POST).uri("/webhook/github");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(body).expect("a request")
    }
}

/// A body of unknown length that comes in pieces, and then stalls or ends.
pub(super) struct Pieces {
    pub(super) left: usize,
    pub(super) piece: Bytes,
    pub(super) stalls: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return if self.stalls { Poll::Pending } else { Poll::Ready(None) };
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}
