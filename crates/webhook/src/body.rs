//! Reading a body within bounds of size, time and memory.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use berth_core::delivery::BODY_MAX;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::limits::{Limits, SMALL_BODY};
use crate::refusal::Refusal;

/// The most bytes that are read and thrown away after a refusal.
const DISCARDED_MAX: usize = 2 * BODY_MAX;
/// The longest time for that.
const DISCARDING: Duration = Duration::from_secs(2);

/// A whole body, and for a large one the right to hold it.
pub(crate) struct Raw {
    pub(crate) bytes: Bytes,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Reads a body to its end.
pub(crate) async fn read(body: &mut Body, limits: &Limits) -> Result<Raw, Refusal> {
    if body.size_hint().lower() > BODY_MAX as u64 {
        return Err(Refusal::TooLarge);
    }
    let reading = collect(body, limits);
    tokio::time::timeout(limits.body_timeout, reading).await.unwrap_or(Err(Refusal::TooSlow))
}

async fn collect(body: &mut Body, limits: &Limits) -> Result<Raw, Refusal> {
    let mut bytes = BytesMut::new();
    let mut permit = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Refusal::Cut)?.into_data() else { continue };
        if bytes.len() + data.len() > BODY_MAX {
            return Err(Refusal::TooLarge);
        }
        if bytes.len() + data.len() > SMALL_BODY && permit.is_none() {
            permit = Some(limits.large_body().ok_or(Refusal::Busy)?);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Raw { bytes: bytes.freeze(), permit })
}

/// Reads what is left of a refused body and throws it away: a connection that
/// is closed with unread bytes is reset, and the client never sees the answer.
pub(crate) async fn discard(mut body: Body) {
    let deadline = Instant::now() + DISCARDING;
    let mut left = DISCARDED_MAX;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let read = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
