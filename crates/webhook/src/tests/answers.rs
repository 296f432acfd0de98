use axum::body::Body;
use axum::http::{Request, StatusCode};
use berth_core::delivery::{BODY_MAX, ContentType};
use bytes::Bytes;

use super::bed::{Answer, Bed, OPENED, PREVIOUS, Pieces, SECRET, Sent};
use crate::limits::SMALL_BODY;
use crate::store::fake::Mood;

#[track_caller]
fn assert_answer(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, text));
}

/// A payload of about this many bytes that means something.
fn large(length: usize) -> String {
    OPENED.replacen('{', &format!("{{\"padding\": \"{}\",", "x".repeat(length)), 1)
}

#[tokio::test]
async fn a_delivery_that_matters_is_stored_as_it_came_and_answered_202() {
    let bed = Bed::new();
    assert_answer(&bed.send(Sent::opened().request()).await, 202, "");
    let stored = bed.store.stored.lock().expect("nobody panicked");
    let (envelope, body) = &stored[0];
    assert_eq!(body, OPENED.as_bytes());
    assert_eq!(envelope.event.as_str(), "pull_request");
    assert_eq!(envelope.content_type, ContentType::Json);
    assert_eq!(
        envelope.spool_name().to_string(),
        "00001795253400000000-72d3162e-cc78-11e3-81ab-4c9367dc0958.delivery"
    );
}

#[tokio::test]
async fn deliveries_that_mean_nothing_here_are_answered_204_and_not_stored() {
    let bed = Bed::new();
    let talk = include_str!("../../../core/src/delivery/fixtures/issue_comment.created_talk.json");
    for (event, body) in [
        ("ping", "{\"zen\": \"\"}"),
        ("push", "{}"),
        ("some_new_event", "{}"),
        ("pull_request", "{\"action\": \"assigned\"}"),
        ("pull_request", "{\"action\": \"some_new_action\"}"),
        ("issue_comment", talk),
    ] {
        assert_answer(&bed.send(Sent::new(event, body).request()).await, 204, "");
    }
    assert_eq!(bed.stored(), 0);
}

#[tokio::test]
async fn a_form_is_stored_as_it_came() {
    let bed = Bed::new();
    let payload = OPENED.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let form = Sent::new("pull_request", format!("payload={payload}"));
    let form = form.with("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    assert_answer(&bed.send(form.request()).await, 202, "");
    assert_eq!(bed.store.stored.lock().expect("nobody panicked")[0].0.content_type, ContentType::Form);
}

#[tokio::test]
async fn the_previous_secret_is_good_and_any_other_is_not() {
    let bed = Bed::new();
    assert_answer(&bed.send(Sent::opened().signed_by(PREVIOUS).request()).await, 202, "");
    assert_answer(
        &bed.send(Sent::opened().signed_by("a secret of somebody").request()).await,
        401,
        "bad signature",
    );
}

#[tokio::test]
async fn a_missing_wrong_or_doubled_signature_is_answered_401() {
    let bed = Bed::new();
    let name = "x-hub-signature-256";
    let other_body =
        Sent::new("pull_request", "{}").request().headers()[name].to_str().expect("text").to_owned();
    for sent in [
        Sent::opened().without(name),
        Sent::opened().with(name, "sha256="),
        Sent::opened().with(name, "sha256=zz"),
        Sent::opened().with(name, &format!("sha256={}", "0".repeat(64))),
        Sent::opened().with(name, &other_body),
        Sent::opened().and(name, &other_body),
        Sent::opened().without(name).and("x-hub-signature", &other_body),
        // The body is not even looked at.
        Sent::new("pull_request", "no json").signed_by("a secret of somebody"),
    ] {
        assert_answer(&bed.send(sent.request()).await, 401, "bad signature");
    }
    assert_eq!(bed.stored(), 0);
}

#[tokio::test]
async fn a_header_that_is_missing_doubled_or_odd_is_answered_400() {
    let bed = Bed::new();
    for name in ["x-github-event", "x-github-delivery"] {
        for sent in [
            Sent::opened().without(name),
            Sent::opened().with(name, ""),
            Sent::opened().with(name, "../../etc/passwd"),
            Sent::opened().with(name, &"a".repeat(65)),
            Sent::opened().and(name, "another"),
            Sent::opened().and(name, if name == "x-github-event" { "pull_request" } else { "a" }),
        ] {
            assert_answer(&bed.send(sent.request()).await, 400, "bad header");
        }
    }
    assert_eq!(bed.stored(), 0);
}

#[tokio::test]
async fn other_content_types_are_answered_415() {
    let bed = Bed::new();
    let name = "content-type";
    for sent in [
        Sent::opened().without(name),
        Sent::opened().with(name, "text/plain"),
        Sent::opened().with(name, "multipart/form-data; boundary=x"),
        Sent::opened().and(name, "application/json"),
    ] {
        assert_answer(&bed.send(sent.request()).await, 415, "unsupported content type");
    }
}

#[tokio::test]
async fn a_signed_body_that_is_malformed_is_answered_400() {
    let bed = Bed::new();
    let form = "application/x-www-form-urlencoded";
    for sent in [
        Sent::new("pull_request", ""),
        Sent::new("pull_request", "poison"),
        Sent::new("pull_request", "{\"action\": \"opened\"}"),
        Sent::new("pull_request", &b"\xff\xfe"[..]),
        Sent::new("ping", "{"),
        Sent::new("issue_comment", "[]"),
        Sent::opened().with("content-type", form),
        Sent::new("ping", "payload={}&payload={}").with("content-type", form),
    ] {
        assert_answer(&bed.send(sent.request()).await, 400, "malformed payload");
    }
}

#[tokio::test]
async fn a_large_body_is_taken_and_a_larger_one_answered_413() {
    let bed = Bed::new();
    let most = large(BODY_MAX - 20_000);
    assert_answer(&bed.send(Sent::new("pull_request", most).request()).await, 202, "");
    let declared = vec![b' '; BODY_MAX + 1];
    assert_answer(&bed.send(Sent::new("pull_request", declared).request()).await, 413, "body too large");
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let undeclared = Pieces { left: 26, piece, stalls: false };
    let sent = Sent::opened().request_with(Body::new(undeclared));
    assert_answer(&bed.send(sent).await, 413, "body too large");
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_408() {
    let bed = Bed::new();
    let body = Pieces { left: 3, piece: Bytes::from_static(b"{"), stalls: true };
    assert_answer(&bed.send(Sent::opened().request_with(Body::new(body))).await, 408, "body too slow");
}

#[tokio::test]
async fn only_a_few_large_bodies_are_held_at_once_and_small_ones_do_not_wait_for_them() {
    let bed = Bed::new();
    let held: Vec<_> = std::iter::from_fn(|| bed.state.limits.large_body()).collect();
    assert_eq!(held.len(), 4);
    let answer = bed.send(Sent::new("pull_request", large(SMALL_BODY)).request()).await;
    assert_answer(&answer, 503, "no room");
    assert_eq!(answer.headers["retry-after"], "60");
    assert_answer(&bed.send(Sent::opened().request()).await, 202, "");
    drop(held);
    assert_answer(&bed.send(Sent::new("pull_request", large(SMALL_BODY)).request()).await, 202, "");
    assert!(bed.state.limits.large_body().is_some(), "the permit is given back");
}

#[tokio::test]
async fn a_full_spool_or_disk_is_answered_503_and_the_server_is_not_ready() {
    let bed = Bed::new();
    assert_answer(&bed.get("/readyz").await, 200, "ready");
    for mood in [Mood::Full, Mood::NoSpace] {
        bed.feel(mood);
        let answer = bed.send(Sent::opened().request()).await;
        assert_answer(&answer, 503, "no room");
        assert_eq!(answer.headers["retry-after"], "60");
        assert_answer(&bed.get("/readyz").await, 503, "no room");
        assert_answer(&bed.get("/healthz").await, 200, "ok");
    }
    bed.feel(Mood::Well);
    assert_answer(&bed.send(Sent::opened().request()).await, 202, "");
}

#[tokio::test]
async fn a_broken_spool_is_answered_500_and_nothing_of_it_is_told() {
    let bed = Bed::new();
    bed.feel(Mood::Broken);
    assert_answer(&bed.send(Sent::opened().request()).await, 500, "internal error");
    assert_answer(&bed.get("/readyz").await, 503, "not ready");
}

#[tokio::test]
async fn who_asks_too_often_is_answered_429() {
    let bed = Bed::with_rate(2);
    let from = |address: &str| Sent::opened().and("x-forwarded-for", address).request();
    for _ in 0..4 {
        assert_answer(&bed.send(from("203.0.113.9")).await, 202, "");
    }
    let refused = bed.send(from("203.0.113.9")).await;
    assert_answer(&refused, 429, "too many requests");
    assert_eq!(refused.headers["retry-after"], "60");
    assert_answer(&bed.send(from("203.0.113.10")).await, 202, "");
}

#[tokio::test]
async fn there_is_nothing_else() {
    let bed = Bed::new();
    for path in ["/", "/metrics", "/webhook", "/webhook/github/", "/webhook/../healthz"] {
        assert_eq!(bed.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(bed.get("/webhook/github").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let post = Request::post("/healthz").body(Body::empty()).expect("a request");
    assert_eq!(bed.send(post).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_stored_again() {
    let bed = Bed::new();
    for _ in 0..2 {
        assert_answer(&bed.send(Sent::opened().request()).await, 202, "");
    }
    assert_eq!(bed.stored(), 2);
}

#[test]
fn no_secret_is_in_what_is_printed_for_debugging() {
    let bed = Bed::new();
    let printed = format!("{:?} {:?}", bed.state.secrets, bed.state.limits);
    assert!(!printed.contains(SECRET) && !printed.contains(PREVIOUS));
}
