//! Looking: `list`, `info`, `events` and `logs` tell what is.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use berth_e2e::{
    Agent, BerthHost, Signal, TestHost, Value, agent, agent_on_a_terminal, json, sql, wait_until,
};

const SOON: Duration = Duration::from_mins(1);

#[test]
fn list_tells_every_state_apart() {
    let host = BerthHost::configured("e2e-states", "[deadlines]\nstop = \"10s\"\n");
    let nobody = agent(&host, &["list"]).ok();
    assert_eq!(
        (nobody.stdout.as_str(), nobody.stderr.as_str()),
        ("", "there are no agents; make one with `agent create NAME`\n")
    );
    let running = Agent::create(&host, "running");
    let stopped = Agent::create(&host, "stopped");
    stopped.command("stop").ok();
    let missing = Agent::create(&host, "missing");
    missing.command("stop").ok();
    host.command("nixos-container").args(["destroy", &missing.container()]).ok();
    let failed = Agent::create(&host, "failed");
    failed.command("stop").ok();
    host.shell(&format!("cd {} && mv etc etc.mine && ln -s /etc etc", failed.root())).ok();
    assert!(!failed.command("start").run().is_success(), "the guard refuses a linked /etc");
    host.offer("degraded");
    agent(&host, &["build"]).ok();
    let degraded = Agent::create(&host, "degraded");
    host.offer("hanging-boot");
    agent(&host, &["build"]).ok();
    let starting = Agent::named(&host, "starting");
    let create = starting.command("create").spawn();
    wait_until(SOON, "it starts", || starting.state() == "starting");

    let list = agent(&host, &["list"]).ok();
    let states: Vec<Vec<&str>> =
        list.stdout.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(
        states,
        [
            ["NAME", "STATE", "ADDRESS"],
            ["degraded", "degraded", "10.100.0.11"],
            ["failed", "failed", "10.100.0.9"],
            ["missing", "missing", "10.100.0.7"],
            ["running", "running", "10.100.0.3"],
            ["starting", "starting", "10.100.0.13"],
            ["stopped", "stopped", "10.100.0.5"],
        ]
    );
    let info = degraded.info();
    assert_eq!(
        (&info["health"], &info["failed_units"]),
        (&"degraded".into(), &serde_json::json!(["failing.service"]))
    );
    assert!(failed.info()["reason"].as_str().is_some_and(|why| why.contains("symlink")), "{}", failed.info());

    create.signal(Signal::INT);
    assert_eq!(create.wait().code(), Some(130));
    starting.keep();
    for one in [running, stopped, missing, failed, degraded] {
        one.destroy();
    }
    host.assert_clean();
}

#[test]
fn what_is_mended_or_breaks_inside_shows_in_info_and_then_in_list() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "looking-health");
    assert_eq!(one.info()["health"], "good");
    one.run_as_root("systemd-run -q --unit=doomed false; until systemctl is-failed -q doomed; do :; done")
        .ok();
    assert_eq!(one.info()["failed_units"], serde_json::json!(["doomed.service"]));
    assert_eq!(one.state(), "degraded");
    one.run_as_root("systemctl reset-failed").ok();
    assert_eq!(one.info()["state"], "running");
    assert_eq!(one.state(), "running");
    one.destroy();
}

/// The processes that a command line starts, itself included.
fn processes_of(host: &TestHost, line: &str) -> (usize, Duration) {
    let script =
        format!("strace -f -qq -e trace=execve -e status=successful -o /run/execs {line} >/dev/null");
    host.shell(&script).ok();
    let begun = Instant::now();
    host.shell(&format!("{line} >/dev/null")).ok();
    let took = begun.elapsed();
    (host.read_file("/run/execs").lines().filter(|call| call.contains("execve(")).count(), took)
}

#[test]
fn list_starts_no_process_per_agent() {
    let host = BerthHost::boot("e2e-500");
    let one = Agent::create(&host, "one");
    let (few, _) = processes_of(&host, "agent list");
    sql(
        &host,
        "WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 504)
         INSERT INTO berths (kind, slot, name, phase, wanted, closure_id, memory, cpus, tasks, health,
                             failed_units, created_by, created_at)
         SELECT 'agent', n, 'many-' || n, 'stopped', 'stopped', (SELECT id FROM closures), '4G', '2',
                '4096', 'unknown', '[]', 'root', 0 FROM numbers WHERE n % 128 <> 0",
    );
    let (many, took) = processes_of(&host, "agent list");
    let lines = agent(&host, &["list"]).ok().stdout.lines().count();
    assert_eq!(lines, 502, "a heading, one real agent and 500 records");
    assert_eq!(many, few, "as many processes for 501 agents as for one");
    assert!((2..=3).contains(&many), "agent and systemctl, not {many}");
    println!("agent list of 501 agents, built for tests, took {took:?}");
    sql(&host, "DELETE FROM berths WHERE name LIKE 'many-%'");
    one.destroy();
}

#[test]
fn json_and_table_tell_the_same_agents_also_through_a_closed_pipe() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "looking-json");
    let list = json(&agent(&host, &["list", "--json"]).ok());
    let listed = list.as_array().expect("a list").iter().find(|agent| agent["name"] == "looking-json");
    let info = one.info();
    for (key, value) in info.as_object().expect("an object") {
        assert_eq!(listed.and_then(|listed| listed.get(key)), Some(value), "{key}");
    }
    let text = one.command("info").ok().stdout;
    for key in ["name", "address", "closure", "host_key"] {
        assert!(text.contains(info[key].as_str().expect(key)), "{key} in {text}");
    }
    let cut = host.shell("set -o pipefail; agent list | head -c1; agent events | true").run();
    assert!(cut.is_success(), "a reader that went away is no error: {cut}");
    one.destroy();
}

#[test]
fn events_tell_the_whole_story_of_one_name_and_outlive_it() {
    let host = BerthHost::boot("e2e-events");
    let one = Agent::create(&host, "x");
    one.command("stop").ok();
    one.command("start").ok();
    one.destroy();
    host.offer("broken-boot");
    agent(&host, &["build"]).ok();
    agent(&host, &["create", "x"]).run();
    agent(&host, &["create", "other"]).run();
    let story = |words: &[&str]| {
        let events = json(&agent(&host, words).ok());
        events.as_array().expect("a list").iter().fold(String::new(), |mut story, event| {
            let word = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
            writeln!(
                story,
                "{} {} {} {} {}",
                word("actor"),
                word("action"),
                word("name"),
                word("container"),
                word("outcome")
            )
            .expect("text");
            story
        })
    };
    insta::assert_snapshot!(story(&["events", "x", "--json"]));
    assert_eq!(
        story(&["events", "other", "--json"]),
        "root create other a1 began\nroot create other a1 failed\n"
    );
    let last: Value = json(&agent(&host, &["events", "x", "--json", "--lines", "1"]).ok());
    assert!(last[0]["detail"].as_str().is_some_and(|why| why.contains("could not start")), "{last}");
    let all = story(&["events", "--json"]);
    assert!(all.contains("root build - - succeeded\n"), "{all}");
    let table = agent(&host, &["events", "x"]).ok().stdout;
    assert!(table.starts_with("WHEN ") && table.contains("failed"), "{table}");
}

/// Writes a line to the journal inside.
#[track_caller]
fn log(one: &Agent, line: &str) {
    one.run_as_root(&format!("printf '{line}\\n' | systemd-cat -t marked")).ok();
}

#[test]
fn logs_show_the_journal_of_a_running_and_of_a_stopped_agent() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "looking-logs");
    log(&one, "a marked line");
    wait_until(SOON, "the line is there", || one.command("logs").ok().stdout.contains("a marked line"));
    let few = one.command("logs").args(["--lines", "3"]).ok();
    assert!((3..=4).contains(&few.stdout.lines().count()), "{few}");
    one.command("stop").ok();
    let stopped = one.command("logs").args(["--lines", "1000"]).ok();
    assert!(stopped.stdout.contains("a marked line"), "{stopped}");
    assert_eq!(one.command("logs").args(["-n", "3"]).ok().stdout.lines().count(), 3);
    let refused = one.command("logs").arg("-f").run();
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert_eq!(refused.stdout, "");
    one.destroy();
}

#[test]
fn logs_follow_until_they_are_interrupted() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "looking-follow");
    let follow = one.command("logs").args(["-f", "-n", "1"]).spawn();
    wait_until(SOON, "it shows the last entry", || !follow.stdout_so_far().is_empty());
    for marker in ["the first marker", "the second marker"] {
        log(&one, marker);
        wait_until(SOON, marker, || follow.stdout_so_far().contains(marker));
    }
    follow.signal(Signal::INT);
    let ended = follow.wait();
    assert!(matches!(ended.code(), Some(0 | 130)), "{ended}");
    assert_eq!(ended.stderr, "");
    wait_until(SOON, "nothing of it runs inside", || {
        !one.run_as_root("pgrep -x journalctl").run().is_success()
    });
    one.destroy();
}

#[test]
fn hostile_lines_do_not_act_on_the_terminal() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "looking-hostile");
    log(&one, "\\033[2J\\033]0;owned\\007 wiped\\rhidden");
    let shown = || agent_on_a_terminal(&host, "xterm", &["logs", "looking-hostile"]).ok().stdout;
    for state in ["running", "stopped"] {
        assert_eq!(one.state(), state);
        let mut text = String::new();
        wait_until(SOON, "the line is there", || {
            text = shown().replace("\r\n", "\n");
            text.contains("marked[")
        });
        let is_quiet = |c: char| !c.is_control() || c == '\n' || c == '\t';
        assert!(text.chars().all(is_quiet), "{state}: {text:?}");
        one.command("stop").ok();
    }
    let stopped = shown();
    assert!(stopped.contains("\\u{1b}[2J\\u{1b}]0;owned"), "what the line says is visible: {stopped:?}");
    one.destroy();
}
