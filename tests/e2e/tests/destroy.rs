//! Destroying: what is gone is gone, however often and by whomever.

use std::collections::BTreeSet;

use berth_e2e::text::without_slow_steps;
use berth_e2e::{Agent, BerthHost, TestHost, agent};

#[test]
fn what_is_not_there_is_destroyed_already() {
    let host = TestHost::shared();
    let destroyed = agent(&host, &["destroy", "destroy-nobody"]).ok();
    assert_eq!(destroyed.stdout, "");
    assert_eq!(destroyed.stderr, "there is no agent `destroy-nobody`\n");
}

#[test]
fn of_several_names_those_that_are_there_are_destroyed() {
    let host = TestHost::shared();
    let (one, two) = (Agent::create(&host, "destroy-one"), Agent::create(&host, "destroy-two"));
    let destroyed = agent(&host, &["destroy", "destroy-one", "destroy-unknown", "destroy-two"]).ok();
    let lines: BTreeSet<&str> = destroyed.stdout.lines().collect();
    assert_eq!(lines, BTreeSet::from(["destroyed destroy-one", "destroyed destroy-two"]));
    assert!(destroyed.stderr.contains("there is no agent `destroy-unknown`\n"), "{destroyed}");
    assert!(one.listed().is_none() && two.listed().is_none());
    one.keep();
    two.keep();
    host.assert_clean();
}

#[test]
fn all_are_destroyed_only_with_a_yes() {
    let host = BerthHost::boot("e2e-all");
    let nobody = agent(&host, &["destroy", "--all", "--yes"]).ok();
    assert_eq!((nobody.stdout.as_str(), nobody.stderr.as_str()), ("", "there are no agents\n"));
    let names = ["one", "two", "three"];
    let agents = names.map(|name| Agent::create(&host, name));
    agents[1].command("stop").ok();

    let refused = agent(&host, &["destroy", "--all"]).run();
    assert_eq!(refused.code(), Some(2), "{refused}");
    assert_eq!(refused.stdout, "");
    insta::assert_snapshot!(refused.stderr);
    assert_eq!(agents[0].state(), "running");

    let destroyed = agent(&host, &["destroy", "--all", "--yes"]).ok();
    assert_eq!(destroyed.stdout.lines().count(), 3, "{destroyed}");
    agents.into_iter().for_each(Agent::keep);
    host.assert_clean();
}

#[test]
fn an_agent_in_any_state_can_be_destroyed() {
    let host = BerthHost::boot("e2e-any-state");
    let stopped = Agent::create(&host, "stopped");
    stopped.command("stop").ok();
    stopped.destroy();
    let missing = Agent::create(&host, "missing");
    host.command("nixos-container").args(["destroy", &missing.container()]).ok();
    missing.destroy();
    let half = Agent::create(&host, "half");
    let root = half.root();
    half.command("stop").ok();
    host.command("rm").args(["-rf", &root]).ok();
    half.destroy();
    host.assert_clean();
}

#[test]
fn what_cannot_be_removed_is_named_and_keeps_its_berth() {
    let host = BerthHost::boot("e2e-in-the-way");
    let one = Agent::create(&host, "busy");
    one.command("stop").ok();
    // A mount of the operator's that somebody works in.
    let root = one.root();
    host.shell(&format!("mkdir {root}/srv/data && mount -t tmpfs data {root}/srv/data")).ok();

    let destroyed = one.command("destroy").run();

    insta::assert_snapshot!(format!(
        "exit {:?}\n{}",
        destroyed.code(),
        without_slow_steps(&destroyed.stderr)
    ));
    assert_eq!(destroyed.stdout, "");
    assert_eq!(one.state(), "destroying");
    let other = Agent::create(&host, "other");
    assert_eq!(other.container(), "a2", "its slot is not given away");
    host.shell(&format!("umount {root}/srv/data")).ok();
    one.destroy();
    other.destroy();
    host.assert_clean();
}
