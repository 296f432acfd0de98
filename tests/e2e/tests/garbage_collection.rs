//! Closures and garbage collection: what is used stays, what is not goes.

use berth_e2e::{Agent, BerthHost, TestHost, agent, json};

const COLLECT: &str = "nix-collect-garbage -d";

/// Indirect roots that Berth holds, as the store paths that they keep.
fn roots(host: &TestHost) -> Vec<String> {
    let listed = host.shell("cd /var/lib/berth/gcroots && for r in *; do readlink $r; done").ok().stdout;
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn agents_are_created_and_restarted_after_a_garbage_collection() {
    let host = BerthHost::boot("e2e-gc");
    let old = Agent::create(&host, "old");
    old.ssh("echo mine >workspace").ok();
    let paused = Agent::create(&host, "paused");
    paused.command("stop").ok();

    let collected = host.shell(COLLECT).ok();
    assert!(collected.stdout.contains("store paths deleted"), "{collected}");
    // What nobody holds is gone, so that the collection was one.
    let degraded = host.shell("ls -d /nix/store/*-nixos-system-degraded-test").run();
    assert!(!degraded.is_success(), "{degraded}");

    paused.command("start").ok();
    old.command("stop").ok();
    old.command("start").ok();
    assert_eq!(old.ssh("cat workspace").ok().stdout, "mine\n");
    let new = Agent::create(&host, "new");
    assert_eq!(new.ssh("hostname").ok().stdout, "new\n");
    assert_eq!(agent(&host, &["doctor"]).run().code(), Some(0));
    for one in [old, paused, new] {
        one.destroy();
    }
    host.assert_clean();
}

#[test]
fn an_agent_keeps_its_closure_after_a_build_and_the_last_one_lets_it_go() {
    let host = BerthHost::boot("e2e-closures");
    let first = Agent::create(&host, "first");
    let second = Agent::create(&host, "second");
    let before = first.closure();
    assert_eq!(roots(&host), [&*before]);

    host.write_file("/etc/berth/closures/marker", "changed", 0o644);
    let built = json(&agent(&host, &["build", "--json"]).ok());
    let after = built["system"].as_str().expect("a path").to_owned();
    assert_ne!(after, before);
    assert_eq!(built["is_new"], true);
    assert_eq!(roots(&host), [before.clone(), after.clone()]);
    let again = json(&agent(&host, &["build", "--json"]).ok());
    assert_eq!((again["system"].as_str(), again["is_new"].as_bool()), (Some(after.as_str()), Some(false)));

    let third = Agent::create(&host, "third");
    let marker = |one: &Agent| one.ssh("cat /run/current-system/marker").ok().stdout;
    assert_eq!(marker(&third), "changed");
    host.shell(COLLECT).ok();
    first.command("stop").ok();
    first.command("start").ok();
    assert_ne!(marker(&first), "changed", "it boots what it was made from");
    assert_eq!((first.closure(), third.closure()), (before.clone(), after.clone()));

    first.destroy();
    assert_eq!(roots(&host), [before.clone(), after.clone()], "one agent has it still");
    second.destroy();
    assert_eq!(roots(&host), [&*after], "the last one let it go");
    host.shell(COLLECT).ok();
    assert!(!host.exists(&before) && host.exists(&after));
    third.destroy();
    assert_eq!(roots(&host), [after], "new agents get it");
    host.assert_clean();
}

#[test]
fn a_create_evaluates_nothing_while_a_closure_is_recorded() {
    let host = BerthHost::boot("e2e-no-evaluation");
    agent(&host, &["build"]).ok();
    host.shell("rm -r /etc/berth/closures").ok();
    let one = Agent::create(&host, "x");
    assert_eq!(one.ssh("hostname").ok().stdout, "x\n");
    assert_eq!(agent(&host, &["build"]).run().code(), Some(1), "a build would need the flake");
    assert_eq!(one.ssh("hostname").ok().stdout, "x\n");
    let two = Agent::create(&host, "two");
    two.destroy();
    one.destroy();
    host.assert_clean();
}

#[test]
fn a_closure_that_somebody_deleted_is_built_again_at_the_next_create() {
    let host = BerthHost::boot("e2e-deleted");
    agent(&host, &["build"]).ok();
    host.shell(&format!("rm /var/lib/berth/gcroots/* && {COLLECT}")).ok();
    let looked = agent(&host, &["doctor"]).run();
    assert_eq!(looked.code(), Some(1), "{looked}");
    assert!(looked.stdout.contains("is gone from the store"), "{looked}");

    let one = Agent::create(&host, "x");
    assert_eq!(one.ssh("hostname").ok().stdout, "x\n");
    assert_eq!(agent(&host, &["doctor"]).run().code(), Some(0));
    host.shell(COLLECT).ok();
    one.command("stop").ok();
    one.command("start").ok();
    one.destroy();
    host.assert_clean();
}
