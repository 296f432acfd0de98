//! A delivery whose signature holds.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use berth_core::delivery::{ContentType, DeliveryId, Envelope, EventName, HeaderError, Signature};

use crate::app::State;
use crate::body::{self, Raw};
use crate::limits::{Peer, SMALL_BODY};
use crate::refusal::Refusal;

/// A delivery that somebody sent who knows the secret. In this order: the
/// rate, the headers, the size of the body, its signature over the raw bytes.
pub(crate) struct Signed {
    pub(crate) envelope: Envelope,
    pub(crate) raw: Raw,
}

/// What the headers say.
struct Head {
    delivery: DeliveryId,
    event: EventName,
    content_type: ContentType,
    signature: Signature,
}

impl FromRequest<State> for Signed {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &State) -> Result<Self, Refusal> {
        let (parts, mut body) = request.into_parts();
        let peer = parts.extensions.get().copied().unwrap_or(Peer(None));
        if !state.limits.admits(peer.client(&parts.headers)) {
            return Err(Refusal::TooMany);
        }
        match read(&parts.headers, &mut body, state).await {
            Ok((head, raw)) => Self::verify(head, raw, state).await,
            Err(refusal) => {
                body::discard(body).await;
                Err(refusal)
            }
        }
    }
}

async fn read(headers: &HeaderMap, body: &mut Body, state: &State) -> Result<(Head, Raw), Refusal> {
    let head = Head::read(headers).map_err(Refusal::Header)?;
    Ok((head, body::read(body, &state.limits).await?))
}

impl Signed {
    async fn verify(head: Head, raw: Raw, state: &State) -> Result<Self, Refusal> {
        let Head { delivery, event, content_type, signature } = head;
        let (secrets, bytes) = (state.secrets.clone(), raw.bytes.clone());
        if !computed(bytes.len(), move || signature.verify(&secrets, &bytes)).await? {
            return Err(Refusal::Signature);
        }
        let received_at = (state.clock)();
        Ok(Self { envelope: Envelope { delivery, event, content_type, signature, received_at }, raw })
    }
}

impl Head {
    fn read(headers: &HeaderMap) -> Result<Self, HeaderError> {
        let once = |name, error| once(headers, name).ok_or(error);
        Ok(Self {
            content_type: once("content-type", HeaderError::ContentType)?.parse()?,
            signature: once("x-hub-signature-256", HeaderError::Signature)?.parse()?,
            delivery: once("x-github-delivery", HeaderError::Delivery)?.parse()?,
            event: once("x-github-event", HeaderError::Event)?.parse()?,
        })
    }
}

/// The value of a header that is there exactly once, so that no two readers
/// take different ones.
fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Computes over a body of this many bytes: a large one on a thread of its
/// own, so that the others do not wait for it.
pub(crate) async fn computed<T: Send + 'static>(
    length: usize,
    compute: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    if length <= SMALL_BODY {
        return Ok(compute());
    }
    tokio::task::spawn_blocking(compute).await.map_err(Refusal::Task)
}
