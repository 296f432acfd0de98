//! Payloads in GitHub's documented shapes, trimmed: `fixtures/EVENT.CASE.json`.

use std::fs;
use std::path::PathBuf;

use super::*;

/// Each recorded payload with the name of its file and its event.
fn fixtures() -> Vec<(String, EventName, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/delivery/fixtures");
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| {
            let path = entry.expect("a fixture").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let event = name.split('.').next().expect("an event").parse().expect("an event");
            (name, event, fs::read(path).expect("readable"))
        })
        .collect();
    found.sort();
    found
}

fn fixture(name: &str) -> serde_json::Value {
    let (_, _, body) = fixtures().into_iter().find(|(found, ..)| found == name).expect("a fixture");
    serde_json::from_slice(&body).expect("JSON")
}

fn parse(event: &str, value: &serde_json::Value) -> Result<Event, PayloadError> {
    Event::parse(&event.parse().expect("an event"), ContentType::Json, value.to_string().as_bytes())
}

fn as_form(json: &[u8]) -> Vec<u8> {
    let json = std::str::from_utf8(json).expect("text");
    form_urlencoded::Serializer::new(String::new()).append_pair("payload", json).finish().into_bytes()
}

#[test]
fn recorded_payloads_mean_this() {
    let told: Vec<String> = fixtures()
        .iter()
        .map(|(name, event, body)| {
            let meaning = Event::parse(event, ContentType::Json, body).expect(name);
            format!("{name}\n{meaning:#?}\n")
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn every_action_that_matters_has_a_recorded_payload() {
    use PullRequestAction::{
        Closed, ConvertedToDraft, Edited, Labeled, Opened, ReadyForReview, Reopened, Synchronize, Unlabeled,
    };
    let seen: Vec<PullRequestAction> = fixtures()
        .iter()
        .filter_map(|(_, event, body)| match Event::parse(event, ContentType::Json, body) {
            Ok(Event::PullRequest(event)) => Some(event.action),
            _ => None,
        })
        .collect();
    for action in
        [Opened, Reopened, Synchronize, Closed, Labeled, Unlabeled, Edited, ReadyForReview, ConvertedToDraft]
    {
        assert!(seen.contains(&action), "{action:?}");
    }
}

#[test]
fn a_form_means_what_its_json_means() {
    for (name, event, body) in fixtures() {
        let json = Event::parse(&event, ContentType::Json, &body).expect(&name);
        let form = Event::parse(&event, ContentType::Form, &as_form(&body)).expect(&name);
        assert_eq!(form, json, "{name}");
        assert!(Event::parse(&event, ContentType::Form, &body).is_err(), "{name}");
        assert!(Event::parse(&event, ContentType::Json, &as_form(&body)).is_err(), "{name}");
    }
}

#[test]
fn a_form_with_two_payloads_or_none_is_refused() {
    let event: EventName = "ping".parse().expect("an event");
    let one = as_form(b"{}");
    let two = [one.as_slice(), b"&", &one].concat();
    assert!(Event::parse(&event, ContentType::Form, &one).is_ok());
    for body in [&two[..], b"", b"other={}", b"payload"] {
        assert!(Event::parse(&event, ContentType::Form, body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_deleted_fork_is_a_fork() {
    let Ok(Event::PullRequest(event)) = parse("pull_request", &fixture("pull_request.closed_fork_deleted"))
    else {
        panic!("no pull request");
    };
    assert_eq!(event.head_repo, None);
    assert!(event.is_fork());
    let Ok(Event::PullRequest(own)) = parse("pull_request", &fixture("pull_request.opened")) else {
        panic!("no pull request");
    };
    assert!(!own.is_fork());
}

#[test]
fn a_payload_without_a_field_that_is_needed_is_malformed() {
    let whole = fixture("pull_request.opened");
    for pointer in [
        "/action",
        "/pull_request",
        "/repository",
        "/sender",
        "/pull_request/number",
        "/pull_request/state",
        "/pull_request/draft",
        "/pull_request/merged",
        "/pull_request/head",
        "/pull_request/head/sha",
        "/pull_request/head/ref",
        "/pull_request/base/ref",
        "/pull_request/labels",
        "/pull_request/updated_at",
        "/repository/full_name",
        "/sender/login",
    ] {
        let mut payload = whole.clone();
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        payload.pointer_mut(parent).and_then(|value| value.as_object_mut()).expect(pointer).remove(key);
        assert!(matches!(parse("pull_request", &payload), Err(PayloadError::Json { .. })), "{pointer}");
    }
}

#[test]
fn a_payload_with_a_field_that_is_something_else_is_malformed() {
    let whole = fixture("pull_request.labeled");
    for (pointer, value) in [
        ("/pull_request/head/sha", "HEAD; rm -rf /".into()),
        ("/pull_request/number", 0.into()),
        ("/pull_request/number", (-1).into()),
        ("/pull_request/number", u64::MAX.into()),
        ("/pull_request/state", "half-open".into()),
        ("/repository/full_name", "../../etc".into()),
        ("/pull_request/head/repo/full_name", "acme/site/x".into()),
        ("/sender/login", "a b\n".into()),
        ("/pull_request/labels/0/name", "x".repeat(401).into()),
        ("/label/name", "x".repeat(401).into()),
        ("/action", 1.into()),
    ] {
        let mut payload = whole.clone();
        *payload.pointer_mut(pointer).expect(pointer) = value;
        assert!(parse("pull_request", &payload).is_err(), "{pointer}");
    }
    let mut payload = whole;
    payload["pull_request"]["labels"] = vec![serde_json::json!({"name": "x"}); 201].into();
    assert!(matches!(parse("pull_request", &payload), Err(PayloadError::Labels)));
}

#[test]
fn an_unknown_action_is_ignored_whatever_the_rest_is() {
    let odd = serde_json::json!({"action": format!("new\u{202e}{}", "x".repeat(500)), "pull_request": 7});
    for event in ["pull_request", "issue_comment"] {
        let Ok(Event::Ignored(Ignored::Action { action, .. })) = parse(event, &odd) else {
            panic!("{event}")
        };
        assert!(action.starts_with("new\\u{202e}x") && action.len() == 64, "{action}");
    }
}

#[test]
fn what_is_no_json_is_malformed_with_every_event() {
    for event in ["ping", "pull_request", "issue_comment", "push"] {
        let event: EventName = event.parse().expect("an event");
        let deep = "[".repeat(100_000);
        for body in
            ["", "{", "{} {}", "nul", "\u{feff}{}", "{\"action\":\"opened\",\"action\":\"closed\"}x", &deep]
        {
            assert!(Event::parse(&event, ContentType::Json, body.as_bytes()).is_err(), "{event}: {body:.40}");
        }
        assert!(
            Event::parse(&event, ContentType::Json, b"\"\xff\"").is_err() || event.as_str() != "pull_request"
        );
    }
    let twice = br#"{"action":"opened","action":"closed"}"#;
    assert!(Event::parse(&"pull_request".parse().expect("an event"), ContentType::Json, twice).is_err());
}

#[test]
fn the_text_of_a_pull_request_is_no_command() {
    assert!(matches!(parse("pull_request", &fixture("pull_request.opened")), Ok(Event::PullRequest(_))));
    assert_eq!(
        parse("issue_comment", &fixture("issue_comment.edited")).map_err(drop),
        Ok(Event::Ignored(Ignored::Action {
            event: "issue_comment".parse().expect("an event"),
            action: "edited".to_owned()
        }))
    );
}
