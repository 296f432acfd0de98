//! Answers other than yes.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use berth_core::delivery::{HeaderError, PayloadError};
use thiserror::Error;

use crate::store::StoreError;

/// After how many seconds to come again when there was no room.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("60");

/// Why a delivery was not taken. The client gets the status and
/// [`Refusal::name`]; what else there is to say goes to the log.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("a header is not what GitHub sends")]
    Header(#[source] HeaderError),
    #[error("the signature is missing or not that of a known secret")]
    Signature,
    #[error("the body is larger than GitHub sends")]
    TooLarge,
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body ended early")]
    Cut(#[source] axum::Error),
    #[error("the payload is malformed")]
    Payload(#[source] PayloadError),
    #[error("the client asks too often")]
    TooMany,
    #[error("too many large bodies at once")]
    Busy,
    #[error("the delivery cannot be stored")]
    Store(#[source] StoreError),
    #[error("a task of the server failed")]
    Task(#[source] tokio::task::JoinError),
}

impl Refusal {
    /// The status and the public name.
    pub(crate) fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Header(HeaderError::ContentType) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported content type")
            }
            Self::Header(HeaderError::Signature) | Self::Signature => {
                (StatusCode::UNAUTHORIZED, "bad signature")
            }
            Self::Header(HeaderError::Delivery | HeaderError::Event) => {
                (StatusCode::BAD_REQUEST, "bad header")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body too slow"),
            Self::Cut(_) => (StatusCode::BAD_REQUEST, "body cut"),
            Self::Payload(_) => (StatusCode::BAD_REQUEST, "malformed payload"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Self::Busy | Self::Store(StoreError::Full | StoreError::NoSpace(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "no room")
            }
            Self::Store(StoreError::Failed(_) | StoreError::Gone) | Self::Task(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        }
    }

    /// The error with its sources, for the log. Sources that quote the body
    /// are left out.
    pub(crate) fn reason(&self) -> String {
        let detail = match self {
            Self::Header(error) => error.to_string(),
            Self::Payload(PayloadError::Json { event, source }) => {
                format!("of `{event}`, line {} column {}", source.line(), source.column())
            }
            Self::Payload(error) => error.to_string(),
            Self::Store(error) => chain(error),
            Self::Task(error) => error.to_string(),
            Self::Signature | Self::TooLarge | Self::TooSlow | Self::Cut(_) | Self::TooMany | Self::Busy => {
                return self.to_string();
            }
        };
        format!("{self}: {detail}")
    }
}

/// An error with its sources on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, name) = self.answer();
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), reason = self.reason(), "refused");
        } else {
            tracing::info!(status = status.as_u16(), reason = self.reason(), "refused");
        }
        let mut response = (status, name).into_response();
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
