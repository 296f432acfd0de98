//! A host that reboots: `berthd` brings back what should run, a bounded number
//! at a time, and takes an unreachable GitHub for no reason to remove anything.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_e2e::{Agent, PullHost, Value, fixture, json, preview, sql, wait_until};

const PULLS: u32 = 5;
const AGENTS: [&str; 2] = ["ada-works", "bot-works"];
/// The one that cannot start.
const BROKEN: &str = "site-3";
/// After a failed start `berthd` waits half a minute.
const PAUSE: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_mins(3);
const RECORDS: &str = "SELECT slug, phase, commit_sha FROM previews ORDER BY slug";

/// What `berthd` has told since the boot, with the microseconds of the journal.
fn told(host: &PullHost) -> Vec<(u64, Value)> {
    let journal = ["-b", "-q", "-a", "-o", "json", "-u", "berthd"];
    let lines = host.command("journalctl").args(journal).ok().stdout;
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        let at = entry["__REALTIME_TIMESTAMP"].as_str()?.parse().ok()?;
        Some((at, serde_json::from_str(entry["MESSAGE"].as_str()?).ok()?))
    };
    lines.lines().filter_map(entry).collect()
}

/// When `berthd` told this of the preview that cannot start.
fn told_of_broken(host: &PullHost, message: &str) -> Vec<u64> {
    let name = format!("preview {BROKEN}");
    let is_it = |told: &&(u64, Value)| told.1["message"] == message && told.1["name"] == *name;
    told(host).iter().filter(is_it).map(|(at, _)| *at).collect()
}

/// The most containers that were starting at a time since the boot.
fn most_starting(host: &PullHost) -> usize {
    let said = host.command("journalctl").args(["-b", "-q", "-a", "-o", "cat", "_PID=1"]).ok().stdout;
    let mut starting = BTreeSet::new();
    let mut most = 0;
    for line in said.lines() {
        let unit = |word: &str| line.strip_prefix(word)?.split(' ').next()?.strip_prefix("container@");
        if let Some(unit) = unit("Starting ") {
            starting.insert(unit);
        } else if let Some(unit) = unit("Started ").or_else(|| unit("Failed to start ")) {
            starting.remove(unit);
        }
        most = most.max(starting.len());
    }
    most
}

/// The present life of each container.
fn lives(host: &PullHost) -> BTreeSet<String> {
    let show = ["show", "--property=Id,InvocationID", "container@*"];
    host.command("systemctl")
        .args(show)
        .ok()
        .stdout
        .split("\n\n")
        .map(|unit| unit.trim().to_owned())
        .collect()
}

/// `berthd` ends, in both ways, and what runs is not touched by that.
fn restarts_disturb_nothing(host: &PullHost, records: &[String]) {
    let before = lives(host);
    assert_eq!(before.len(), PULLS as usize + AGENTS.len(), "{before:?}");
    let readies = || told(host).iter().filter(|(_, told)| told["message"] == "ready").count();
    for way in [&["restart"][..], &["kill", "--signal=KILL"]] {
        let count = readies();
        host.command("systemctl").args(way).arg("berthd.service").ok();
        wait_until(LONG, "berthd is back", || readies() > count);
        // It has looked at everything when it answers to a push.
        let page = format!("page of {}\n", way[0]);
        host.github().push("acme/site", "branch-1", &[("index.html", &page)]);
        host.serves("site-1", "/", &page);
        // An update that is cut short is set up again in a container that is started again.
        host.rests();
    }
    host.github().push("acme/site", "branch-1", &[("index.html", "page 1\n")]);
    host.serves("site-1", "/", "page 1\n");
    host.rests();
    assert_eq!(lives(host), before);
    assert_eq!(sql(host, RECORDS)[1..], records[1..]);
}

/// Makes a preview's container one that does not start, and returns its root.
fn break_one(host: &PullHost) -> String {
    let container = json(&preview(host, &["info", "--json", BROKEN]).ok())["container"].clone();
    let container = container.as_str().expect("a container");
    let root = format!("/var/lib/nixos-containers/{container}");
    // Or it would be started again at once.
    host.command("systemctl").args(["stop", "berthd.service"]).ok();
    host.command("systemctl").args(["stop", &format!("container@{container}.service")]).ok();
    host.shell(&format!("cd {root} && mv etc kept && ln -s /nowhere etc")).ok();
    root
}

#[test]
fn after_a_reboot_berthd_brings_all_back_without_github() {
    let mut host = PullHost::boot_with("reboot", "", "starts = 2\ncompare = \"2s\"");
    let repo = host.github().repository("acme/site", &fixture("static"));
    for number in 1..=PULLS {
        let (branch, page) = (format!("branch-{number}"), format!("page {number}\n"));
        host.github().push(&repo, &branch, &[("index.html", &page)]);
        host.github().open(&repo, &branch);
    }
    for name in AGENTS {
        let one = Agent::create(&host, name);
        one.ssh("echo mine >workspace").ok();
        one.keep();
    }
    host.rests();
    let records = sql(&host, RECORDS);
    assert_eq!(records.len(), PULLS as usize, "{records:?}");
    restarts_disturb_nothing(&host, &records);
    let records = sql(&host, RECORDS);
    let root = break_one(&host);

    host.reboot();

    let others: Vec<u32> = (1..=PULLS).filter(|number| format!("site-{number}") != BROKEN).collect();
    for number in &others {
        host.serves(&format!("site-{number}"), "/", &format!("page {number}\n"));
    }
    for name in AGENTS {
        let one = Agent::attach(&host, name);
        wait_until(LONG, "it runs", || one.state() == "running");
        assert_eq!(one.ssh("cat workspace").ok().stdout, "mine\n");
    }
    assert_eq!(most_starting(&host), 2, "`daemon.starts` at a time");
    wait_until(LONG, "it is told", || told_of_broken(&host, "could not be started").len() == 1);
    assert_eq!(host.page(BROKEN, "/"), None);
    host.command("curl").args(["-sSf", "http://127.0.0.1:9000/healthz"]).ok();

    let comparisons =
        || told(&host).iter().filter(|(_, told)| told["target"] == "berth_daemon::compare").count();
    let before = comparisons();
    wait_until(LONG, "GitHub is asked in vain", || comparisons() > before + 1);
    host.restart_github();
    let knows_nobody =
        |told: &Value| told["error"].as_str().is_some_and(|error| error.contains("not installed"));
    wait_until(LONG, "GitHub knows no repository", || told(&host).iter().any(|(_, told)| knows_nobody(told)));
    let slugs = |records: &[String]| -> Vec<String> {
        records.iter().map(|record| record.replace("|ready|", "|").replace("|running|", "|")).collect()
    };
    assert_eq!(slugs(&sql(&host, RECORDS)), slugs(&records), "nothing is destroyed");

    host.shell(&format!("cd {root} && rm etc && mv kept etc")).ok();
    host.serves(BROKEN, "/", "page 3\n");
    wait_until(LONG, "it is told", || told_of_broken(&host, "started").len() == 1);
    assert_eq!(sql(&host, RECORDS), records);
    let (failed, started) = (told_of_broken(&host, "could not be started"), told_of_broken(&host, "started"));
    let attempts: Vec<u64> = failed.iter().chain(&started).copied().collect();
    let is_patient = |two: &[u64]| u128::from(two[1] - two[0]) >= PAUSE.as_micros();
    assert!(attempts.windows(2).all(is_patient), "it is not tried at every look: {attempts:?}");
    let jobs = host.jobs(&[]);
    let is_dead = |job: &Value| job["state"] == "dead";
    assert!(!jobs.as_array().expect("a list").iter().any(is_dead), "GitHub may come back: {jobs:#}");
    host.assert_no_fault();
    for name in AGENTS {
        drop(Agent::attach(&host, name));
    }
}
