//! Times to live.

use berth_e2e::{Agent, BerthHost, agent, json, sql};

#[test]
fn expire_removes_what_is_past_its_time_and_nothing_else() {
    let host = BerthHost::boot("e2e-expire");
    let past = Agent::create_with(&host, "past", &["--ttl", "1h"]);
    let paused = Agent::create_with(&host, "past-paused", &["--ttl", "1h"]);
    paused.command("stop").ok();
    let later = Agent::create_with(&host, "later", &["--ttl", "1h"]);
    let for_ever = Agent::create(&host, "for-ever");
    assert!(agent(&host, &["expire"]).ok().stdout.is_empty(), "all have time");

    sql(&host, "UPDATE berths SET expires_at = 1000 WHERE name LIKE 'past%'");
    let looked = agent(&host, &["doctor"]).ok();
    assert!(looked.stdout.contains("the agent `past` has outlived its time"), "{looked}");
    let expired = agent(&host, &["expire"]).ok();

    assert_eq!(expired.stdout, "destroyed past\ndestroyed past-paused\n");
    assert_eq!((later.state(), for_ever.state()), ("running".to_owned(), "running".to_owned()));
    assert!(past.listed().is_none() && paused.listed().is_none());
    past.keep();
    paused.keep();
    let events = json(&agent(&host, &["events", "past", "--json"]).ok());
    let last = events.as_array().and_then(|events| events.last()).expect("an event");
    assert_eq!((&last["action"], &last["outcome"]), (&"expire".into(), &"succeeded".into()));
    later.destroy();
    for_ever.destroy();
    host.assert_clean();
}

#[test]
fn a_time_to_live_is_kept_and_shown() {
    let host = BerthHost::configured("e2e-ttl", "[agent]\nttl = \"2d\"\n");
    host.offer_idle();
    let ends = |one: &Agent| -> i64 {
        let query = format!("SELECT expires_at - created_at FROM berths WHERE name = '{}'", one.name());
        sql(&host, &query)[0].parse().expect("a number")
    };
    let given = Agent::create_with(&host, "given", &["--ttl", "8h", "--no-wait"]);
    assert_eq!(ends(&given), 8 * 3_600_000);
    let configured = Agent::create_with(&host, "configured", &["--no-wait"]);
    assert_eq!(ends(&configured), 48 * 3_600_000);
    configured.command("stop").ok();
    assert_eq!(ends(&configured), 48 * 3_600_000, "a pause gives no time");
    let list = agent(&host, &["list"]).ok().stdout;
    assert!(list.contains("in 7h 59m") && list.contains("in 1d 23h"), "{list}");
}
