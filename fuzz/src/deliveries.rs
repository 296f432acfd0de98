//! Whatever somebody may send to the webhook, or put into its spool: nothing
//! panics, and what is read says the same when it is written and read again.
//!
//! The first byte of an input chooses what reads the rest.

#![no_main]

use berth_core::delivery::{
    Command, ContentType, Delivery, DeliveryId, Envelope, Event, EventName, Signature, SpoolName,
    WebhookSecret,
};
use libfuzzer_sys::fuzz_target;

const SPOOL_NAME: &str = "00001795253400000000-72d3162e-cc78-11e3-81ab-4c9367dc0958.delivery";

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    match choice {
        b'p' => payload("pull_request", rest),
        b'c' => payload("issue_comment", rest),
        b'o' => payload("ping", rest),
        b'f' => form(rest),
        b's' => spool(rest),
        _ => text(&String::from_utf8_lossy(rest)),
    }
});

/// A payload means the same as JSON and as a form.
fn payload(event: &str, json: &[u8]) {
    let event: EventName = event.parse().expect("an event");
    let read = Event::parse(&event, ContentType::Json, json);
    if let Ok(json) = std::str::from_utf8(json) {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", json).finish();
        let from_form = Event::parse(&event, ContentType::Form, form.as_bytes());
        assert_eq!(read.ok(), from_form.ok());
    }
}

fn form(body: &[u8]) {
    for event in ["pull_request", "issue_comment"] {
        let _ = Event::parse(&event.parse().expect("an event"), ContentType::Form, body);
    }
}

/// A file of the spool that is read is the file that would be written.
fn spool(content: &[u8]) {
    let name: SpoolName = SPOOL_NAME.parse().expect("a name");
    if let Ok(delivery) = Delivery::decode(&name, content) {
        let written = delivery.encode();
        let again = Delivery::decode(&name, &written).expect("what was written is read");
        assert_eq!(again.body, delivery.body);
        assert_eq!(again.encode(), written);
    }
}

fn text(text: &str) {
    header(text);
    if let Ok(name) = text.parse::<SpoolName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Some(Command::Approve(commit)) = Command::parse(text) {
        assert!(commit.as_str().len() >= 12);
    }
}

fn header(text: &str) {
    let _ = text.parse::<ContentType>();
    if let Ok(event) = text.parse::<EventName>() {
        assert_eq!(event.as_str(), text);
    }
    if let Ok(signature) = text.parse::<Signature>() {
        let again: Signature = signature.to_string().parse().expect("what was shown is read");
        assert_eq!(again.to_string(), signature.to_string());
        let secret = WebhookSecret::new(b"a secret of the fuzzer").expect("a secret");
        assert_eq!(secret.sign(b"").to_string() == text.to_lowercase(), signature.verify(&[secret], b""));
    }
    if let Ok(delivery) = text.parse::<DeliveryId>() {
        named(delivery);
    }
}

/// Each id has a name in the spool that says it again.
fn named(delivery: DeliveryId) {
    let envelope = Envelope {
        delivery,
        event: "ping".parse().expect("an event"),
        content_type: ContentType::Json,
        signature: WebhookSecret::new(b"a secret of the fuzzer").expect("a secret").sign(b""),
        received_at: "2026-11-21T09:30:00Z".parse().expect("a time"),
    };
    let name = envelope.spool_name();
    assert_eq!(name.to_string().parse().as_ref(), Ok(&name));
    let content = Delivery { envelope, body: b"" }.encode();
    Delivery::decode(&name, &content).expect("what was written is read");
}
