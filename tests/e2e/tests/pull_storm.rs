//! A thousand deliveries of which some are lost, some come twice and none comes
//! in order, while both programs are killed again and again: in the end every
//! pull request has what it should have.
//!
//! `BERTH_STORM_SEED` chooses what happens, `BERTH_STORM_EVENTS` how much.

use std::fmt::Display;
use std::str::FromStr;
use std::time::{Duration, Instant};

use berth_e2e::double::{Command, HookOptions, Random};
use berth_e2e::{Known, People, PullHost, fixture, sql};

const REPOSITORIES: [&str; 4] = ["acme/shop", "acme/blog", "acme/docs", "acme/wiki"];
const PULLS_EACH: usize = 5;
/// Each container takes some of the 128 inotify instances that Linux gives a
/// user who raises no limit, and other hosts of this machine have theirs. Of 20
/// pull requests so many are open at a time.
const OPEN_MAX: usize = 9;
const EVENTS: usize = 1000;
const PROGRAMS: [&str; 2] = ["preview-webhook.service", "berthd.service"];
/// From the last kill on.
const BOUND: Duration = Duration::from_mins(8);
const DAEMON: &str = "workers = 2\ncompare = \"3s\"\nreconcile = \"10s\"";
const SMALL: &str = "memory = \"256M\"\ncpus = \"0.5\"\ntasks = \"128\"";

#[test]
fn after_a_thousand_deliveries_and_many_kills_every_pull_request_has_what_it_should_have() {
    let seed = chosen("BERTH_STORM_SEED", 1);
    eprintln!("BERTH_STORM_SEED={seed}");
    let host = PullHost::boot_with("storm", SMALL, DAEMON);
    let github = host.github();
    for repo in REPOSITORIES {
        github.repository(repo, &fixture("static"));
    }
    // What a thousand events in minutes cost is no subject here.
    github.run(&Command::LimitCalls { remaining: 1_000_000 });
    github.deliver(HookOptions { seed, lost: 10, twice: 10, delay: 3000, ..PullHost::hooks() });

    let mut people = People::new(github, &REPOSITORIES, PULLS_EACH, OPEN_MAX, seed);
    rage(&host, &mut people, chosen("BERTH_STORM_EVENTS", EVENTS), seed);
    let ended = Instant::now();
    github.run(&Command::Settle {});
    until(&host, ended, "all wishes are looked into", |host| {
        (host.spool(), sql(host, "SELECT wish FROM lane_wishes")) == (vec![], vec![])
    });
    people.want_all();
    until(&host, ended, "the records are those of the open pull requests", |host| {
        sql(host, PREVIEWS) == expected(&people)
    });
    until(&host, ended, "nothing is left to do", |host| {
        host.spool().is_empty() && sql(host, UNDONE) == [""; 0]
    });
    eprintln!("all is as it should be after {:?}", ended.elapsed());

    assert_eq!(sql(&host, PREVIEWS), expected(&people));
    let wanted: Vec<&Known> = people.pulls().filter(|one| one.has_preview()).collect();
    for one in &wanted {
        assert_eq!(host.page(&one.pull().slug(), "/").as_ref(), Some(&one.page), "{}", one.pull().slug());
    }
    until(&host, ended, "GitHub is told of all", |_| untold(&people).is_empty());
    let containers = host.command("ls").arg("/etc/nixos-containers").ok().stdout;
    assert_eq!(containers.lines().count(), wanted.len(), "one container for each: {containers}");
    assert_all_are_accounted_for(&host);
    host.assert_no_fault();
}

const PREVIEWS: &str = "SELECT repositories.name, pull, slug, phase, commit_sha FROM previews \
                        JOIN repositories ON repositories.id = repository_id ORDER BY slug";
const UNDONE: &str = "SELECT repo, pull, generation, done_generation, attempts, is_dead, error FROM lanes \
                      WHERE done_generation < generation OR is_dead";

/// A number from the environment, or this one.
fn chosen<N: FromStr<Err: Display>>(name: &str, usual: N) -> N {
    let Ok(text) = std::env::var(name) else { return usual };
    text.parse().unwrap_or_else(|error| panic!("`{name}` is `{text}`: {error}"))
}

/// People act, and now and then a program is killed.
fn rage(host: &PullHost, people: &mut People, events: usize, seed: u64) {
    let begun = Instant::now();
    let mut random = Random::new(!seed);
    let mut killed = [0; 2];
    while people.events() < events {
        people.act();
        if random.percent(4) {
            let which = usize::from(random.percent(50));
            let whom = if random.percent(50) { "--kill-whom=main" } else { "--kill-whom=all" };
            let kill = host.command("systemctl").args(["kill", "--signal=KILL", whom, PROGRAMS[which]]).run();
            // One that is just being started has no process.
            killed[which] += usize::from(kill.is_success());
        }
    }
    eprintln!("{} events in {:?}, {killed:?} kills", people.events(), begun.elapsed());
    let few = |killed: &usize| *killed < events / 100;
    assert!(!killed.iter().any(few), "the programs were killed too seldom: {killed:?}");
}

/// Waits for something that `berthd` brings about by the end of the bound.
fn until(host: &PullHost, since: Instant, what: &str, condition: impl Fn(&PullHost) -> bool) {
    while !condition(host) {
        let state = || (host.spool().len(), sql(host, PREVIEWS), sql(host, UNDONE));
        assert!(since.elapsed() < BOUND, "{BOUND:?} after the kills not yet: {what}\n{:#?}", state());
    }
}

/// The previews that there should be, as [`PREVIEWS`] lists them.
fn expected(people: &People) -> Vec<String> {
    let wanted = people.pulls().filter(|one| one.has_preview());
    let mut rows: Vec<(String, String)> = wanted
        .map(|one| {
            let (slug, number) = (one.pull().slug(), one.pull().number());
            (slug.clone(), format!("{}|{number}|{slug}|ready|{}", one.repo, one.commit))
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The pull requests of which GitHub was told something else last.
fn untold(people: &People) -> Vec<String> {
    let is_told = |one: &&Known| {
        let says = one.pull().says();
        if !one.has_preview() {
            return !says.contains("https://");
        }
        let states = one.pull().deployment_states(&one.commit);
        says.contains(&one.commit[..12]) && states.last().is_some_and(|state| state == "success")
    };
    people.pulls().filter(|one| !is_told(one)).map(|one| one.pull().slug()).collect()
}

/// Every delivery that was answered with 202 is in the records, nothing else
/// is, and none was put aside.
fn assert_all_are_accounted_for(host: &PullHost) {
    let deliveries = host.github().run(&Command::Deliveries {});
    let deliveries = deliveries.as_array().expect("a list");
    let count = |what: fn(&&berth_e2e::Value) -> bool| deliveries.iter().filter(what).count();
    let lost = count(|one| one["lost"] == true);
    let twice = count(|one| one["answers"].as_array().is_some_and(|answers| answers.len() > 1));
    let unanswered =
        count(|one| one["answers"].as_array().is_some_and(|all| all.iter().any(|one| *one == 0)));
    eprintln!("{} deliveries: {lost} lost, {twice} twice, {unanswered} unanswered", deliveries.len());
    assert!(lost > deliveries.len() / 20 && twice > deliveries.len() / 20, "{lost} lost, {twice} twice");

    let records = sql(host, "SELECT id FROM deliveries");
    for one in deliveries {
        let id = one["id"].as_str().expect("an id");
        let answers = one["answers"].as_array().expect("answers");
        let (is_stored, is_sent) = (answers.iter().any(|status| *status == 202), !answers.is_empty());
        let is_recorded = records.iter().any(|record| record == id);
        assert!(is_recorded || !is_stored, "stored, and not in the records: {one}");
        assert!(is_sent || !is_recorded, "never sent, and in the records: {one}");
        let strange = answers.iter().find(|status| ![202, 204, 0].iter().any(|usual| **status == *usual));
        assert_eq!(strange, None, "{one}");
    }
    assert!(records.len() <= deliveries.len(), "{} records", records.len());
    let aside = host.command("find").args(["/var/lib/berth/rejected", "-type", "f"]).run().stdout;
    assert_eq!(aside, "", "put aside as no deliveries");
}
