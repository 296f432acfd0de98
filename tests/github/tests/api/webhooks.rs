//! The double's own side: deliveries, and how they go wrong on cue.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use ring::hmac;
use serde_json::{Value, json};

use crate::bed::Bed;

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn receiver() -> (String, Received) {
    let received = Received::default();
    let kept = received.clone();
    let app = Router::new().fallback(async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        kept.lock().expect("unpoisoned").push((head.headers, body));
        StatusCode::ACCEPTED
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let url = format!("http://{}/webhook/github", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, received)
}

async fn settle(bed: &Bed) {
    bed.tell(json!({ "do": "settle" })).await;
}

#[tokio::test]
async fn each_step_of_a_pull_request_is_delivered_signed_and_in_order() {
    let bed = Bed::new().await;
    let (url, received) = receiver().await;
    bed.tell(json!({ "do": "hooks", "url": url, "secret": "s3cret" })).await;
    bed.open("fix").await;
    bed.push("fix", "two").await;
    for command in [
        json!({ "do": "label", "repo": "acme/site", "number": 1, "label": "preview", "by": "ada" }),
        json!({ "do": "comment", "repo": "acme/site", "number": 1, "by": "ada", "text": "/preview" }),
        json!({ "do": "draft", "repo": "acme/site", "number": 1, "draft": true }),
        json!({ "do": "draft", "repo": "acme/site", "number": 1, "draft": false }),
        json!({ "do": "close", "repo": "acme/site", "number": 1 }),
        json!({ "do": "reopen", "repo": "acme/site", "number": 1 }),
    ] {
        bed.tell(command).await;
    }
    settle(&bed).await;
    let received = received.lock().expect("unpoisoned");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    let mut told = Vec::new();
    for (headers, body) in received.iter() {
        let header = |name: &str| headers[name].to_str().expect("text").to_owned();
        let signature = header("x-hub-signature-256");
        let hex = signature.strip_prefix("sha256=").expect("its kind");
        let bytes = (0..32).map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hex"));
        hmac::verify(&key, body, &bytes.collect::<Vec<u8>>()).expect("a good signature");
        let payload: Value = serde_json::from_slice(body).expect("JSON");
        told.push(format!("{} {}", header("x-github-event"), payload["action"].as_str().expect("an action")));
    }
    assert_eq!(
        told,
        [
            "pull_request opened",
            "pull_request synchronize",
            "pull_request labeled",
            "issue_comment created",
            "pull_request converted_to_draft",
            "pull_request ready_for_review",
            "pull_request closed",
            "pull_request reopened",
        ]
    );
}

#[tokio::test]
async fn losses_and_doubles_come_as_the_seed_says_and_redelivery_keeps_the_id() {
    let fate = async |seed: u64| {
        let bed = Bed::new().await;
        let (url, received) = receiver().await;
        let hooks = json!({ "do": "hooks", "url": url, "secret": "x", "seed": seed, "lost": 20, "twice": 20, "delay": 20 });
        bed.tell(hooks).await;
        bed.open("fix").await;
        for index in 0..40 {
            bed.tell(json!({ "do": "draft", "repo": "acme/site", "number": 1, "draft": index % 2 == 0 }))
                .await;
        }
        settle(&bed).await;
        let deliveries = bed.tell(json!({ "do": "deliveries" })).await;
        let deliveries = deliveries.as_array().expect("a list").clone();
        let times: Vec<usize> =
            deliveries.iter().map(|one| one["answers"].as_array().expect("a list").len()).collect();
        let lost = deliveries.iter().find(|one| one["lost"] == true).expect("one is lost")["id"].clone();
        bed.tell(json!({ "do": "redeliver", "id": lost })).await;
        settle(&bed).await;
        let received = received.lock().expect("unpoisoned");
        let ids: Vec<&str> =
            received.iter().map(|(head, _)| head["x-github-delivery"].to_str().expect("text")).collect();
        assert_eq!(ids.last().copied(), lost.as_str());
        let in_order: Vec<&str> = deliveries.iter().filter_map(|one| one["id"].as_str()).collect();
        let position = |id: &str| in_order.iter().position(|one| *one == id);
        let positions: Vec<_> = ids[..ids.len() - 1].iter().map(|id| position(id)).collect();
        assert!(!positions.is_sorted(), "out of order");
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            times.iter().filter(|times| **times > 0).count() + 1
        );
        times
    };
    let (one, again, other) = (fate(7).await, fate(7).await, fate(8).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    assert!(one.contains(&0) && one.contains(&1) && one.contains(&2));
}
