//! Names: everything that is a DNS label works to the end, all else is refused
//! before anything happens.

use std::fmt::Write as _;

use berth_e2e::{Agent, TestHost, agent, json};

#[test]
fn the_shortest_and_the_longest_names_work_to_the_end() {
    let host = TestHost::shared();
    for name in ["n", &format!("names-{}", "x".repeat(57)), "0-1--2"] {
        let one = Agent::create(&host, name);
        let container = one.container();
        assert!(container.starts_with('a') && container[1..].parse::<u16>().is_ok(), "{container}");
        assert_eq!(one.ssh("hostname").ok().stdout, format!("{name}\n"));
        assert_eq!(one.run("hostname").ok().stdout, format!("{name}\n"));
        assert_eq!(one.info()["name"], name);
        one.command("stop").ok();
        one.command("start").ok();
        assert_eq!(one.ssh("hostname").ok().stdout, format!("{name}\n"));
        let events = json(&agent(&host, &["events", name, "--json"]).ok());
        assert!(events.as_array().is_some_and(|events| !events.is_empty()), "{name}");
        one.destroy();
    }
    host.assert_clean();
}

/// What is no name, with a word for the snapshot.
fn bad_names() -> [(&'static str, String); 14] {
    [
        ("empty", String::new()),
        ("64 characters", "x".repeat(64)),
        ("200 characters", "x".repeat(200)),
        ("upper case", "Fix".to_owned()),
        ("an underscore", "a_b".to_owned()),
        ("a dot", "a.b".to_owned()),
        ("a slash", "../etc".to_owned()),
        ("a space", "a b".to_owned()),
        ("a line feed", "a\nb".to_owned()),
        ("an escape sequence", "\u{1b}[2J".to_owned()),
        ("an umlaut", "müsli".to_owned()),
        ("a look-alike", "аgent".to_owned()),
        ("a dash at the end", "a-".to_owned()),
        ("shell text", "a';id;'".to_owned()),
    ]
}

#[test]
fn what_is_no_name_is_refused_with_its_reason() {
    let host = TestHost::shared();
    let mut told = String::new();
    for (what, name) in bad_names() {
        let refused = agent(&host, &["create", &name]).run();
        assert_eq!(refused.code(), Some(2), "{what}: {refused}");
        assert_eq!(refused.stdout, "", "{what}");
        write!(told, "--- {what}\n{}", refused.stderr).expect("text");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_leading_dash_is_no_name_behind_dashes_and_an_unknown_option_before() {
    let host = TestHost::shared();
    let as_name = agent(&host, &["create", "--", "-fix"]).run();
    let as_option = agent(&host, &["create", "-fix"]).run();
    for refused in [&as_name, &as_option] {
        assert_eq!(refused.code(), Some(2), "{refused}");
        assert_eq!(refused.stdout, "");
    }
    insta::assert_snapshot!(format!("{}---\n{}", as_name.stderr, as_option.stderr));
}

#[test]
fn every_command_refuses_what_is_no_name() {
    let host = TestHost::shared();
    for command in ["create", "ssh", "run", "info", "events", "logs", "stop", "start", "destroy"] {
        let rest: &[&str] = if matches!(command, "ssh" | "run") { &["--", "true"] } else { &[] };
        let refused = agent(&host, &[command, "No/Name"]).args(rest).run();
        assert_eq!(refused.code(), Some(2), "{refused}");
        assert_eq!(refused.stdout, "");
        assert!(refused.stderr.contains("No/Name"), "{refused}");
    }
}

#[test]
fn a_refused_name_leaves_neither_a_record_nor_an_event() {
    let host = TestHost::shared();
    agent(&host, &["create", "names-Refused"]).run();
    let events = agent(&host, &["events", "--json", "--lines", "100000"]).ok().stdout;
    assert!(!events.contains("Refused"), "{events}");
    assert!(!agent(&host, &["list", "--json"]).ok().stdout.contains("Refused"));
    host.assert_clean();
}
