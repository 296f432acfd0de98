//! Interrupted and killed: what was begun is taken back, by the process itself
//! or by `agent doctor --fix` after it.

use std::time::{Duration, Instant};

use berth_e2e::text::without_slow_steps;
use berth_e2e::{Agent, BerthHost, Running, Signal, TestHost, agent, json, state_of, wait_until};

const SOON: Duration = Duration::from_mins(1);

/// What never gets ready may not hear that it is to stop.
const STOPS_SOON: &str = "[deadlines]\nstop = \"3s\"\n";

/// What `agent create -v` says of its steps, in their order.
const CREATE: [&str; 6] =
    ["open the firewall", "create container", "prepare the files", "limit a", "start a", "wait for ssh"];
/// What `agent destroy -v` says of its steps, in their order.
const DESTROY: [&str; 5] =
    ["stop a", "remove container", "take back the limits", "remove the traces", "close the firewall"];

/// Waits until the program has said that it begins this step, and so much
/// longer. False if it ended before.
fn reaches(running: &Running, step: &str, and_then: Duration) -> bool {
    let mut said = None;
    wait_until(SOON, step, || {
        let stderr = running.stderr_so_far();
        if said.is_none() && stderr.contains(step) {
            said = Some(Instant::now());
        }
        stderr.contains("error:") || said.is_some_and(|said: Instant| said.elapsed() >= and_then)
    });
    said.is_some()
}

#[test]
fn an_interrupt_at_any_step_takes_everything_back_and_says_so() {
    let host = BerthHost::boot("e2e-interrupt");
    agent(&host, &["build"]).ok();
    for step in CREATE {
        let create = agent(&host, &["create", "x", "-v"]).spawn();
        assert!(reaches(&create, step, Duration::ZERO), "{}", create.stderr_so_far());
        create.signal(Signal::INT);
        let ended = create.wait();
        assert_eq!(ended.code(), Some(130), "{step}: {ended}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains("interrupted: taking back what was done"), "{ended}");
        assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n", "{step}");
        host.assert_clean();
    }
}

#[test]
fn an_interrupted_create_tells_all_of_what_it_took_back() {
    let host = BerthHost::configured("e2e-interrupt-text", STOPS_SOON);
    host.offer("hanging-boot");
    agent(&host, &["build"]).ok();
    for (name, signal) in [("int", Signal::INT), ("term", Signal::TERM), ("hup", Signal::HUP)] {
        let create = agent(&host, &["create", name]).spawn();
        wait_until(SOON, "it starts", || state_of(&host, name) == "starting");
        create.signal(signal);
        let ended = create.wait();
        assert_eq!(ended.code(), Some(130), "{ended}");
        assert_eq!(ended.stdout, "");
        let told = without_slow_steps(&ended.stderr).replace(&format!("`{name}`"), "`NAME`");
        insta::assert_snapshot!("told", told);
        host.assert_clean();
    }
    let events = json(&agent(&host, &["events", "int", "--json"]).ok());
    let outcomes: Vec<&str> =
        events.as_array().expect("a list").iter().filter_map(|e| e["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["began", "failed"]);
}

#[test]
fn a_second_interrupt_ends_at_once_and_leaves_the_rest_to_doctor() {
    let host = BerthHost::configured("e2e-interrupt-twice", STOPS_SOON);
    host.offer("hanging-boot");
    agent(&host, &["build"]).ok();
    let create = agent(&host, &["create", "x"]).spawn();
    wait_until(SOON, "it starts", || state_of(&host, "x") == "starting");
    create.signal(Signal::INT);
    wait_until(SOON, "the first one is heard", || create.stderr_so_far().contains("interrupted"));
    create.signal(Signal::INT);
    let ended = create.wait();
    assert_eq!(ended.code(), Some(130), "{ended}");
    repair(&host, "a second interrupt");
}

#[test]
fn an_interrupt_of_the_whole_group_as_of_a_terminal_is_taken_back_too() {
    let host = BerthHost::boot("e2e-interrupt-group");
    agent(&host, &["build"]).ok();
    for step in ["create container", "start a"] {
        let create = agent(&host, &["create", "x", "-v"]).spawn();
        assert!(reaches(&create, step, Duration::ZERO), "{}", create.stderr_so_far());
        create.signal_group(Signal::INT);
        create.wait();
        // The harness' own processes die of the signal; Berth's goes on.
        wait_until(SOON, "it is taken back", || agent(&host, &["list", "--json"]).ok().stdout == "[]\n");
        host.assert_clean();
    }
}

#[test]
fn an_interrupted_start_leaves_the_agent_down_and_startable() {
    let host = BerthHost::boot("e2e-interrupt-start");
    let one = Agent::create(&host, "x");
    one.ssh("echo mine >workspace").ok();
    one.command("stop").ok();
    let start = one.command("start").arg("-v").spawn();
    assert!(reaches(&start, "start a", Duration::ZERO), "{}", start.stderr_so_far());
    start.signal(Signal::INT);
    let ended = start.wait();
    assert_eq!(ended.code(), Some(130), "{ended}");
    assert_eq!(one.state(), "failed");
    one.command("start").ok();
    assert_eq!(one.ssh("cat workspace").ok().stdout, "mine\n");
    one.destroy();
    host.assert_clean();
}

#[test]
fn an_interrupted_destroy_finishes_what_is_under_way() {
    let host = BerthHost::boot("e2e-interrupt-destroy");
    let one = Agent::create(&host, "x");
    let destroy = one.command("destroy").arg("-v").spawn();
    assert!(reaches(&destroy, "stop a", Duration::ZERO), "{}", destroy.stderr_so_far());
    destroy.signal(Signal::INT);
    let ended = destroy.wait();
    assert!(ended.is_success(), "{ended}");
    assert!(ended.stderr.contains("finishing the removals under way"), "{ended}");
    assert_eq!(ended.stdout, "destroyed x\n");
    one.keep();
    host.assert_clean();
}

/// `agent doctor --fix` after a kill: all of it is gone, nothing is wrong.
#[track_caller]
fn repair(host: &TestHost, when: &str) {
    let repaired = agent(host, &["doctor", "--fix"]).run();
    assert_eq!(repaired.code(), Some(0), "{when}: {repaired}");
    assert_eq!(agent(host, &["list", "--json"]).ok().stdout, "[]\n", "{when}");
    host.assert_clean();
    let looked = agent(host, &["doctor"]).run();
    assert_eq!(looked.code(), Some(0), "{when}: {looked}");
}

/// Kills creates at these moments of each step: the program alone, or its
/// whole process group with it.
fn kill_creates(host: &TestHost, moments: &[Duration], kill: impl Fn(&Running)) {
    agent(host, &["build"]).ok();
    for step in CREATE {
        for moment in moments {
            let when = format!("{moment:?} after `{step}`");
            let create = agent(host, &["create", "killed", "-v"]).spawn();
            assert!(reaches(&create, step, *moment), "{when}: {}", create.stderr_so_far());
            kill(&create);
            let ended = create.wait();
            assert!(
                ended.stderr.contains("open the firewall for a1 "),
                "{when}: not the lowest slot: {ended}"
            );
            if ended.is_success() {
                // It was faster than the signal.
                agent(host, &["destroy", "killed"]).ok();
            }
            repair(host, &when);
        }
    }
    let next = Agent::create(host, "next");
    assert_eq!(next.container(), "a1", "the lowest slot is free again");
    assert_eq!(next.ssh("hostname").ok().stdout, "next\n");
    next.destroy();
    host.assert_clean();
}

#[test]
fn after_a_killed_create_doctor_leaves_nothing_and_the_next_one_works() {
    let host = BerthHost::boot("e2e-kill-create");
    kill_creates(&host, &[0, 40].map(Duration::from_millis), |create| create.signal(Signal::KILL));
}

#[test]
fn after_a_killed_process_group_doctor_leaves_nothing_and_the_next_one_works() {
    let host = BerthHost::boot("e2e-kill-group");
    kill_creates(&host, &[15].map(Duration::from_millis), |create| create.signal_group(Signal::KILL));
}

#[test]
fn after_a_killed_destroy_doctor_finishes_it() {
    let host = BerthHost::boot("e2e-kill-destroy");
    for step in DESTROY {
        let one = Agent::create(&host, "killed");
        assert_eq!(one.container(), "a1");
        let destroy = one.command("destroy").arg("-v").spawn();
        assert!(reaches(&destroy, step, Duration::ZERO), "{}", destroy.stderr_so_far());
        destroy.signal(Signal::KILL);
        destroy.wait();
        one.keep();
        repair(&host, step);
    }
}

#[test]
fn a_killed_destroy_can_simply_be_repeated() {
    let host = BerthHost::boot("e2e-repeat-destroy");
    let one = Agent::create(&host, "killed");
    let destroy = one.command("destroy").arg("-v").spawn();
    assert!(reaches(&destroy, "remove container", Duration::ZERO), "{}", destroy.stderr_so_far());
    destroy.signal(Signal::KILL);
    destroy.wait();
    one.destroy();
    host.assert_clean();
}

#[test]
fn a_killed_create_can_be_destroyed_without_doctor_and_blocks_only_its_own_name() {
    let host = BerthHost::boot("e2e-killed-name");
    agent(&host, &["build"]).ok();
    let create = agent(&host, &["create", "killed", "-v"]).spawn();
    assert!(reaches(&create, "start a", Duration::ZERO), "{}", create.stderr_so_far());
    create.signal(Signal::KILL);
    create.wait();
    let again = agent(&host, &["create", "killed"]).run();
    assert_eq!(again.code(), Some(4), "{again}");
    let other = Agent::create(&host, "other");
    assert_eq!(other.container(), "a2");
    for command in ["stop", "start"] {
        let refused = agent(&host, &[command, "killed"]).run();
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert!(refused.stderr.contains("run `agent destroy killed`"), "{refused}");
    }
    agent(&host, &["destroy", "killed"]).ok();
    other.destroy();
    host.assert_clean();
}

#[test]
fn a_killed_build_is_cleared_by_the_next_and_by_doctor() {
    let host = BerthHost::boot("e2e-kill-build");
    let honest = host.read_file("/usr/share/berth-testhost/guest/build.sh");
    for with_doctor in [true, false] {
        host.change_guest("echo 'while :; do :; done' >build.sh", "");
        let build = agent(&host, &["build"]).spawn();
        wait_until(SOON, "it builds", || build.stderr_so_far().contains("building"));
        build.signal_group(Signal::KILL);
        build.wait();
        // Nix' own client was not in that group.
        host.shell("pkill -9 -f '[n]ix .*build' ; pkill -9 -f '[b]uild.sh'; rm -rf /tmp/nix-build-*").ok();
        host.change_guest("cat >build.sh", &honest);
        if with_doctor {
            agent(&host, &["doctor", "--fix"]).ok();
            host.assert_clean();
        }
        agent(&host, &["build"]).ok();
        host.assert_clean();
    }
}
