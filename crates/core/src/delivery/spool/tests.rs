use proptest::prelude::*;

use super::*;
use crate::delivery::WebhookSecret;

const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

fn envelope(body: &[u8]) -> Envelope {
    let secret = WebhookSecret::new(b"a secret of these days").expect("a secret");
    Envelope {
        delivery: ID.parse().expect("an id"),
        event: "pull_request".parse().expect("an event"),
        content_type: ContentType::Json,
        signature: secret.sign(body),
        received_at: "2026-11-21T09:30:00.000042Z".parse().expect("a time"),
    }
}

fn encoded(body: &[u8]) -> (SpoolName, Vec<u8>) {
    let envelope = envelope(body);
    (envelope.spool_name(), Delivery { envelope, body }.encode())
}

#[test]
fn a_file_is_this() {
    let (name, content) = encoded(b"{}");
    insta::assert_snapshot!(name, @"00001795253400000042-72d3162e-cc78-11e3-81ab-4c9367dc0958.delivery");
    insta::assert_snapshot!(String::from_utf8_lossy(&content), @r#"
    {"version":1,"length":2,"envelope":{"delivery":"72d3162e-cc78-11e3-81ab-4c9367dc0958","event":"pull_request","content_type":"json","signature":"sha256=d053f6a45e18fc6c777a3f095809b9748b420dd5492b97cdd336a3476c4c9b0a","received_at":"2026-11-21T09:30:00.000042Z"}}
    {}
    "#);
}

#[test]
fn the_longest_envelope_fits_in_the_first_line() {
    let mut envelope = envelope(b"");
    envelope.delivery = "a".repeat(64).parse().expect("an id");
    envelope.event = "e".repeat(64).parse().expect("an event");
    envelope.received_at = Timestamp::MAX;
    assert!(envelope.first_line(BODY_MAX).len() <= FIRST_LINE_MAX);
}

#[test]
fn a_file_that_was_cut_or_grew_is_refused() {
    let (name, content) = encoded(b"Hello, World!");
    for end in 0..content.len() {
        assert!(Delivery::decode(&name, &content[..end]).is_err(), "cut to {end}");
    }
    let grown = [content.as_slice(), b"\n"].concat();
    assert!(matches!(
        Delivery::decode(&name, &grown),
        Err(DeliveryError::Length { length: 14, written: 13 })
    ));
}

#[test]
fn a_body_that_is_too_long_is_refused_whatever_the_first_line_says() {
    let body = vec![b' '; BODY_MAX + 1];
    let (name, content) = encoded(&body);
    assert!(matches!(Delivery::decode(&name, &content), Err(DeliveryError::Body { .. })));
    let (name, content) = encoded(&body[1..]);
    assert_eq!(Delivery::decode(&name, &content).expect("just short enough").body.len(), BODY_MAX);
    assert!(content.len() <= SPOOL_FILE_MAX);
}

#[test]
fn a_first_line_that_says_more_or_less_is_refused() {
    let (name, content) = encoded(b"");
    let text = String::from_utf8(content).expect("text");
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":\"1\""),
        ("\"length\":0", "\"length\":-1"),
        ("\"content_type\":\"json\"", "\"content_type\":\"xml\""),
        ("\"envelope\":{", "\"envelope\":{\"root\":true,"),
        ("{\"version\"", "{\"more\":1,\"version\""),
        ("sha256=", "sha256=00"),
        ("pull_request", "pull request"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let refused = Delivery::decode(&name, changed.as_bytes());
        assert!(matches!(refused, Err(DeliveryError::Envelope(_))), "{to}: {refused:?}");
    }
    let endless = "x".repeat(FIRST_LINE_MAX + 1) + "\n";
    assert!(matches!(Delivery::decode(&name, endless.as_bytes()), Err(DeliveryError::FirstLine)));
}

#[test]
fn a_file_under_the_name_of_another_delivery_is_refused() {
    let (name, content) = encoded(b"{}");
    assert!(Delivery::decode(&name, &content).is_ok());
    let other = name.to_string().replace("72d3", "72d4").parse().expect("a name");
    assert!(matches!(Delivery::decode(&other, &content), Err(DeliveryError::Name)));
}

#[test]
fn other_names_are_not_the_spools() {
    let name = encoded(b"").0.to_string();
    for other in [
        "",
        ".delivery",
        "-.delivery",
        &name[1..],
        &format!("0{name}"),
        &format!(".{name}"),
        &format!("../{name}"),
        &format!("{name}.tmp"),
        &name.replace("-72d3162e-cc78-11e3-81ab-4c9367dc0958", "-"),
        &name.replace("72d3162e", "72d3/162e"),
        &name.replace("000042-", "00004x-"),
        &name.replace("0000179", "+000179"),
        &format!("{}-a.delivery", "9".repeat(20)),
    ] {
        assert_eq!(other.parse::<SpoolName>(), Err(SpoolNameError), "{other}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(body in prop::collection::vec(any::<u8>(), 0..500)) {
        let (name, content) = encoded(&body);
        let read = Delivery::decode(&name, &content).expect("a delivery");
        prop_assert_eq!(read.body, &body);
        prop_assert_eq!(read.envelope.first_line(body.len()), envelope(&body).first_line(body.len()));
    }

    #[test]
    fn names_sort_like_their_times(
        first in any::<u64>(),
        second in any::<u64>(),
        ids in prop::array::uniform2("[A-Za-z0-9-]{1,64}"),
    ) {
        let [one, two] = [(first, &ids[0]), (second, &ids[1])]
            .map(|(micros, id)| SpoolName { micros, delivery: id.parse().expect("an id") });
        prop_assert_eq!(one.to_string().parse::<SpoolName>(), Ok(one.clone()));
        if first != second {
            prop_assert_eq!(one.to_string().cmp(&two.to_string()), first.cmp(&second));
        }
    }

    #[test]
    fn no_content_makes_it_panic(content in prop::collection::vec(any::<u8>(), 0..300)) {
        let name = encoded(b"").0;
        prop_assert!(Delivery::decode(&name, &content).is_err());
    }
}
