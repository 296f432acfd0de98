//! Several processes at the same time.

use std::collections::BTreeSet;

use berth_e2e::{Agent, BerthHost, Output, Running, TestHost, agent, json};

/// More than the host's processors many times over.
const MANY: usize = 32;

#[test]
fn no_address_is_given_twice_under_32_creates_from_separate_processes() {
    let host = BerthHost::boot("e2e-many");
    host.offer_idle();
    let names: Vec<String> = (0..MANY).map(|number| format!("many-{number}")).collect();
    let creates: Vec<Running> =
        names.iter().map(|name| agent(&host, &["create", name, "--no-wait"]).spawn()).collect();
    for create in creates {
        let ended = create.wait();
        assert!(ended.is_success(), "{ended}");
    }

    let list = json(&agent(&host, &["list", "--json"]).ok());
    let of = |key: &str| -> BTreeSet<String> {
        let all = list.as_array().expect("a list");
        all.iter().map(|one| one[key].as_str().expect(key).to_owned()).collect()
    };
    assert_eq!(of("name"), names.iter().cloned().collect());
    assert_eq!(of("state"), BTreeSet::from(["running".to_owned()]));
    assert_eq!(of("container"), (1..=MANY).map(|slot| format!("a{slot}")).collect(), "the lowest slots");
    let configured = host.shell("sed -n 's/^LOCAL_ADDRESS=//p' /etc/nixos-containers/*.conf").ok().stdout;
    let configured: BTreeSet<String> = configured.lines().map(str::to_owned).collect();
    assert_eq!(configured, of("address"));
    assert_eq!(configured.len(), MANY);
    assert_eq!(agent(&host, &["doctor"]).run().code(), Some(0));

    let destroyed = agent(&host, &["destroy", "--all", "--yes"]).ok();
    assert_eq!(destroyed.stdout.lines().count(), MANY, "{destroyed}");
    host.assert_clean();
}

#[test]
fn of_eight_creates_of_one_name_one_succeeds_and_the_others_say_that_it_exists() {
    let host = BerthHost::boot("e2e-one-name");
    host.offer_idle();
    let creates: Vec<Running> =
        (0..8).map(|_| agent(&host, &["create", "wanted", "--no-wait"]).spawn()).collect();
    let ended: Vec<Output> = creates.into_iter().map(Running::wait).collect();
    let (made, refused): (Vec<&Output>, Vec<&Output>) = ended.iter().partition(|one| one.is_success());
    assert_eq!(made.len(), 1, "{ended:#?}");
    for one in refused {
        assert_eq!(one.code(), Some(4), "{one}");
        assert_eq!(one.stdout, "");
        assert!(one.stderr.starts_with("error: the agent `wanted` exists already"), "{one}");
    }
    let one = Agent::attach(&host, "wanted");
    assert_eq!(one.container(), "a1", "those who came too late took nothing");
    one.destroy();
    host.assert_clean();
}

#[test]
fn two_destroys_of_one_agent_both_succeed() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "concurrency-destroys");
    let destroys: Vec<Running> = (0..2).map(|_| one.command("destroy").spawn()).collect();
    let ended: Vec<Output> = destroys.into_iter().map(Running::wait).collect();
    for one in &ended {
        assert!(one.is_success(), "{one}");
    }
    let removed = ended.iter().filter(|one| one.stdout == "destroyed concurrency-destroys\n").count();
    assert_eq!(removed, 1, "{ended:#?}");
    one.keep();
    host.assert_clean();
}

#[test]
fn the_name_of_a_destroyed_agent_is_free_at_once() {
    let host = TestHost::shared();
    let first = Agent::create(&host, "concurrency-again");
    first.ssh("touch old").ok();
    let old_key = first.info()["host_key"].clone();
    first.destroy();
    let second = Agent::create(&host, "concurrency-again");
    assert_eq!(second.ssh("ls").ok().stdout, "", "a new workspace");
    assert_ne!(second.info()["host_key"], old_key);
    second.destroy();
    host.assert_clean();
}

#[test]
fn a_destroy_waits_for_the_create_that_is_under_way_and_then_removes_all() {
    let host = BerthHost::boot("e2e-destroy-create");
    agent(&host, &["build"]).ok();
    let create = agent(&host, &["create", "early", "-v"]).spawn();
    berth_e2e::wait_until(std::time::Duration::from_mins(1), "the container is being made", || {
        create.stderr_so_far().contains("create container")
    });
    let destroyed = agent(&host, &["destroy", "early"]).ok();
    let created = create.wait();
    assert!(created.is_success(), "{created}");
    assert_eq!(destroyed.stdout, "destroyed early\n");
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    host.assert_clean();
}

#[test]
fn stops_starts_and_destroys_of_one_agent_at_once_end_in_order() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "concurrency-mixed");
    let commands = ["stop", "start", "stop", "info", "start"].map(|command| one.command(command).spawn());
    for command in commands {
        let ended = command.wait();
        assert!(ended.is_success(), "{ended}");
    }
    let state = one.state();
    assert!(state == "running" || state == "stopped", "{state}");
    one.command("start").ok();
    assert_eq!(one.ssh("hostname").ok().stdout, "concurrency-mixed\n");
    one.destroy();
    host.assert_clean();
}
