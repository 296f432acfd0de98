use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refusal(json: &Value) -> String {
    Meta::parse(&json.to_string()).expect_err("a bad meta").to_string()
}

/// A meta that is good, with one key set.
fn with(key: &str, value: Value) -> Value {
    let mut meta = json!({ "routes": [{ "path": "/", "port": 80 }] });
    meta[key] = value;
    meta
}

#[test]
fn a_route_is_all_that_a_meta_needs() {
    let meta = Meta::parse(r#"{ "routes": [{ "path": "/", "port": 3000 }] }"#).expect("a meta");
    assert_eq!(
        meta.to_json(),
        concat!(
            r#"{"setupService":null,"appServices":[],"database":null,"#,
            r#""routes":[{"path":"/","port":3000,"stripPrefix":false}],"#,
            r#""hostSecrets":[],"extraHosts":[],"ready":{"path":"/","status":null}}"#
        )
    );
}

#[test]
fn every_key_is_read() {
    let meta = Meta::parse(
        r#"{
            "setupService": "setup",
            "appServices": ["web", "worker@1.service", "web.service"],
            "database": "host",
            "routes": [
                { "path": "/", "port": 3000 },
                { "path": "/api/*", "port": 8080, "stripPrefix": true }
            ],
            "hostSecrets": ["API_KEY", "API_KEY"],
            "extraHosts": [{ "prefix": "admin", "routes": [{ "path": "/", "port": 9000 }] }],
            "ready": { "path": "/api/health", "status": 204 }
        }"#,
    )
    .expect("a meta");
    insta::assert_debug_snapshot!(meta);
}

#[test]
fn all_problems_are_told_at_once() {
    insta::assert_snapshot!(refusal(&json!({
        "setupService": "--now",
        "setup_service": "setup",
        "appServices": ["web", 7, "backup.timer", "a;id"],
        "database": "postgres",
        "routes": [
            { "path": "/api", "port": 0 },
            { "path": "/API/*", "port": 65536, "stripprefix": true },
            { "path": "/a{env.HOME}", "port": "3000" },
            { "path": "/../etc", "port": 2.5, "root": "/etc" },
            { "path": "/", "port": 80, "stripPrefix": true },
            { "path": "/", "port": 81, "stripPrefix": "no" },
            {},
            "/x"
        ],
        "hostSecrets": ["PREVIEW_URL", "DATABASE_URL", "A-B", "OK"],
        "extraHosts": [
            { "prefix": "Admin", "routes": [] },
            { "prefix": "abcdefghijklmnopqrstu", "routes": [{ "path": "x", "port": -1 }] },
            { "routes": {} }
        ],
        "ready": { "path": "/health?full", "status": 99, "code": 200 },
        "network": { "egress": "open" }
    })));
}

#[test]
fn what_is_no_object_is_refused_as_a_whole() {
    for (bad, message) in [
        ("", "is no JSON: EOF while parsing a value at line 1 column 0"),
        ("{} x", "is no JSON: trailing characters at line 1 column 4"),
        ("[]", "must be an attribute set, not a list"),
        ("null", "must be an attribute set, not null"),
    ] {
        let problems = Meta::parse(bad).expect_err(bad).0;
        assert_eq!(problems, [Problem { key: "previewMeta".to_owned(), message: message.to_owned() }]);
    }
    let deep = "[".repeat(JSON_MAX);
    assert!(Meta::parse(&deep).expect_err("too deep").to_string().contains("recursion limit"));
    let long = format!("{}{{}}", " ".repeat(JSON_MAX));
    assert!(Meta::parse(&long).expect_err("too long").to_string().contains("65538 bytes: 65536 is the most"));
}

#[test]
fn a_preview_serves_something_and_its_ready_path_too() {
    let routes = |paths: &[&str]| json!({ "routes": paths.iter().map(|path| json!({ "path": path, "port": 80 })).collect::<Vec<_>>() });
    insta::assert_snapshot!(refusal(&json!({})), @r#"
    the meta of the preview has 1 problem:
      `routes`: is empty: a preview is a site, so give it a route, such as { path = "/"; port = 3000; }
    "#);
    insta::assert_snapshot!(refusal(&routes(&["/api", "/docs"])), @"
    the meta of the preview has 1 problem:
      `ready.path`: `/` is served by no route: name a path that tells whether the site is up
    ");
    let mut below = routes(&["/api", "/docs"]);
    below["ready"] = json!({ "path": "/docs/" });
    Meta::parse(&below.to_string()).expect("a page that is served");
}

#[test]
fn each_list_has_an_end() {
    let path = |number: usize| json!({ "path": format!("/{number}"), "port": 80 });
    let paths = |count: usize| (0..count).map(path).collect::<Vec<_>>();
    let hosts = |count: usize, routes: usize| {
        let host = |number: usize| json!({ "prefix": format!("h{number}"), "routes": paths(routes) });
        (0..count).map(host).collect::<Vec<_>>()
    };
    let names = |count: usize| (0..count).map(|number| format!("A{number}")).collect::<Vec<_>>();
    for (key, good, bad) in [
        ("appServices", json!(names(50)), json!(names(51))),
        ("hostSecrets", json!(names(50)), json!(names(51))),
        ("extraHosts", json!(hosts(10, 4)), json!(hosts(11, 1))),
        ("extraHosts", json!(hosts(1, 49)), json!(hosts(10, 5))),
    ] {
        Meta::parse(&with(key, good).to_string()).expect(key);
        assert!(refusal(&with(key, bad)).contains("is the most"), "{key}");
    }
}

#[test]
fn a_service_is_for_setup_or_for_the_app() {
    let mut meta = with("setupService", json!("web"));
    meta["appServices"] = json!(["web.service"]);
    insta::assert_snapshot!(refusal(&meta), @"
    the meta of the preview has 1 problem:
      `appServices`: `web.service` is the setup service: it ends before these start
    ");
}

#[test]
fn a_refusal_stays_short_whatever_was_written() {
    let long = "x\n".repeat(8000);
    let many: serde_json::Map<_, _> =
        (0..2000).map(|n| (format!("{n}{}", "k".repeat(9)), json!(1))).collect();
    for bad in [
        json!(many),
        json!({ long.clone(): 1 }),
        with("setupService", json!(long)),
        with("routes", json!([{ "path": long }])),
    ] {
        let message = refusal(&bad);
        assert!(message.len() < 20_000, "{} bytes", message.len());
    }
    assert!(refusal(&json!(many)).ends_with("\n  and 1961 more"));
}

#[test]
fn the_most_specific_route_serves_a_path() {
    let meta = with(
        "routes",
        json!([
            { "path": "/", "port": 1 }, { "path": "/api/v2", "port": 3, "stripPrefix": true }, { "path": "/api", "port": 2 }
        ]),
    );
    let meta = Meta::parse(&meta.to_string()).expect("a meta");
    for (path, port) in [("/", 1), ("/apix", 1), ("/api", 2), ("/api/v3", 2), ("/api/v2/x", 3)] {
        assert_eq!(meta.route_for(path).map(|route| route.port.get()), Some(port), "{path}");
    }
}

#[test]
fn the_ready_request_is_what_the_guest_sees() {
    let mut meta = with("routes", json!([{ "path": "/api", "port": 8080, "stripPrefix": true }]));
    meta["ready"] = json!({ "path": "/api/health" });
    let meta = Meta::parse(&meta.to_string()).expect("a meta");
    let request = meta.ready_request();
    assert_eq!((request.port.get(), request.path), (8080, "/health"));
}

#[test]
fn the_ports_are_those_of_all_hosts() {
    let mut meta = with(
        "routes",
        json!([{ "path": "/", "port": 3000 }, { "path": "/api", "port": 4000 }, { "path": "/x", "port": 3000 }]),
    );
    meta["extraHosts"] = json!([{ "prefix": "admin", "routes": [{ "path": "/", "port": 81 }, { "path": "/api", "port": 4000 }] }]);
    let meta = Meta::parse(&meta.to_string()).expect("a meta");
    assert_eq!(meta.ports().into_iter().map(u16::from).collect::<Vec<_>>(), [81, 3000, 4000]);
}

proptest! {
    #[test]
    fn a_meta_is_read_back_as_itself(meta in any::metas()) {
        let json = meta.to_json();
        let read = Meta::parse(&json).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read.to_json(), json);
        prop_assert_eq!(read, meta);
    }

    #[test]
    fn no_text_makes_the_reader_fail_otherwise(text in "\\PC{0,60}|[\\[\\]{}\",:0-9a-z]{0,60}") {
        let _ = Meta::parse(&text);
    }
}
