//! The whole life of agents: create, enter, pause, resume, destroy.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use berth_e2e::text::{without_hashes, without_key_aliases, without_slow_steps};
use berth_e2e::{Agent, BerthHost, TestHost, agent, json, wait_until};

const BOOT: Duration = Duration::from_mins(2);

#[test]
fn ten_agents_at_once_live_their_whole_lives_and_leave_nothing() {
    let host = TestHost::shared();
    let all_are_up = Barrier::new(10);
    let addresses: Vec<String> = thread::scope(|scope| {
        let live = |number| {
            let (host, all_are_up) = (&host, &all_are_up);
            scope.spawn(move || live_a_whole_life(host, &format!("lifecycle-ten-{number}"), all_are_up))
        };
        let lives: Vec<_> = (0..10).map(live).collect();
        lives.into_iter().map(|life| life.join().expect("a life to its end")).collect()
    });
    let distinct: BTreeSet<_> = addresses.iter().collect();
    assert_eq!(distinct.len(), 10, "{addresses:?}");
    host.assert_clean();
}

/// Returns the agent's address while all others were up too.
fn live_a_whole_life(host: &TestHost, name: &str, all_are_up: &Barrier) -> String {
    let created = thread::scope(|scope| scope.spawn(|| Agent::create(host, name)).join());
    // Whoever fails must not leave the others waiting.
    all_are_up.wait();
    let one = created.expect("created");
    let address = one.address();
    assert_eq!(one.ssh("hostname; id -un; echo mine >workspace").ok().stdout, format!("{name}\nagent\n"));
    assert_eq!(one.run("hostname; cat ~/workspace").ok().stdout, format!("{name}\nmine\n"));
    one.command("stop").ok();
    assert_eq!(one.state(), "stopped");
    assert!(!one.ssh("true").run().is_success(), "nobody enters a stopped agent");
    one.command("start").ok();
    assert_eq!(one.state(), "running");
    assert_eq!(one.ssh("cat workspace").ok().stdout, "mine\n");
    assert_eq!(one.address(), address, "a stopped agent keeps its berth");
    one.destroy();
    address
}

#[test]
fn a_create_prints_how_to_enter_and_nothing_else() {
    let host = BerthHost::configured("e2e-create", "public_host = \"berth.example.com\"\n");
    agent(&host, &["build"]).ok();
    let one = Agent::named(&host, "fix-login");
    let created = one.command("create").ok();
    insta::assert_snapshot!(without_key_aliases(&created.stdout));
    assert_eq!(without_slow_steps(&created.stderr), "");

    let two = Agent::named(&host, "two");
    let created = json(&two.command("create").args(["--json", "--ttl", "8h"]).ok());
    assert_eq!(created["name"], "two");
    assert_eq!(created["state"], "running");
    assert_eq!(created["ssh"]["local"], "agent ssh two");
    let outside = created["ssh"]["outside"].as_str().expect("a line");
    assert!(outside.starts_with("ssh -J berth.example.com -o HostKeyAlias=two-"), "{outside}");
    assert!(outside.ends_with(" agent@10.100.0.5"), "{outside}");
    let info = two.info();
    for key in ["container", "address", "closure", "host_key", "created_at", "expires_at"] {
        assert_eq!(created[key], info[key], "{key}");
    }
}

#[test]
fn what_a_dry_run_tells_is_not_done() {
    let host = BerthHost::boot("e2e-dry-run");
    agent(&host, &["build"]).ok();
    let planned = agent(&host, &["create", "fix-login", "--dry-run"]).ok();
    insta::assert_snapshot!(without_hashes(&planned.stdout));
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    let one = Agent::create(&host, "fix-login");
    insta::assert_snapshot!(one.command("destroy").arg("--dry-run").ok().stdout);
    assert_eq!(one.state(), "running");
    one.destroy();
    host.assert_clean();
}

#[test]
fn a_reboot_from_inside_keeps_the_workspace_and_the_limits() {
    let host = TestHost::shared();
    let one = Agent::create_with(&host, "lifecycle-reboot", &["--tasks", "777"]);
    one.ssh("echo mine >workspace").ok();
    let leader = leader(&host, &one).expect("it runs");

    // The connection breaks with the system inside.
    one.run_as_root("systemctl reboot").run();

    wait_until(BOOT, "another system runs inside", || {
        self::leader(&host, &one).is_some_and(|now| now != leader)
    });
    wait_until(BOOT, "it can be entered again", || one.ssh("true").run().is_success());
    assert_eq!(one.ssh("cat workspace; hostname").ok().stdout, "mine\nlifecycle-reboot\n");
    assert_eq!(properties(&host, &one.unit(), "TasksMax"), "TasksMax=777\n");
    wait_until(BOOT, "it counts as running", || one.state() == "running");
}

fn leader(host: &TestHost, one: &Agent) -> Option<String> {
    let shown =
        host.command("machinectl").args(["show", "--value", "--property=Leader", &one.container()]).run();
    let pid = shown.stdout.trim().to_owned();
    (shown.is_success() && !pid.is_empty()).then_some(pid)
}

#[test]
fn limits_are_properties_of_the_unit_for_as_long_as_the_agent_is_there() {
    let host = TestHost::shared();
    let options = ["--memory", "512M", "--cpus", "1.5", "--tasks", "300"];
    let one = Agent::create_with(&host, "lifecycle-limits", &options);
    let unit = one.unit();
    let expected = "TasksMax=300\nMemoryMax=536870912\nCPUQuotaPerSecUSec=1.500000s\n";
    let names = "TasksMax,MemoryMax,CPUQuotaPerSecUSec";
    assert_eq!(sorted(&properties(&host, &unit, names)), sorted(expected));
    one.command("stop").ok();
    one.command("start").ok();
    assert_eq!(sorted(&properties(&host, &unit, names)), sorted(expected), "they outlive a pause");
    let info = one.info();
    assert_eq!(info["limits"], serde_json::json!({ "memory": "512M", "cpus": "1.5", "tasks": "300" }));

    let drop_ins = format!("/etc/systemd/system.control/{unit}.d");
    assert!(host.exists(&drop_ins), "where systemd keeps them is known");
    one.destroy();
    host.assert_clean();
}

fn properties(host: &TestHost, unit: &str, names: &str) -> String {
    host.command("systemctl").args(["show", "--property", names, unit]).ok().stdout
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn configured_credentials_and_keys_arrive_and_are_renewed_at_a_start() {
    let host = BerthHost::boot("e2e-credentials");
    let key = host.read_file("/home/alice/.ssh/id_ed25519.pub");
    let configuration = format!(
        "[agent]\nauthorized_keys = [\"{}\"]\nttl = \"2h\"\n\
         [[agent.credential]]\nname = \"claude\"\nsource = \"/run/secrets/claude\"\n\
         [[agent.credential]]\nname = \"deploy\"\nsource = \"/run/secrets/deploy\"\nowner = \"root\"\nmode = \"0600\"\n",
        key.trim()
    );
    host.configure(&configuration);
    host.write_file("/run/secrets/claude", "first", 0o600);
    host.write_file("/run/secrets/deploy", "of root", 0o600);
    let one = Agent::create(&host, "keys");

    let inside = one.run_as_root("cd /etc/berth/credentials && stat -c '%n %U:%G %a' * && head -c99 *");
    insta::assert_snapshot!(inside.ok().stdout);
    let expires = one.info()["expires_at"].to_string();
    assert_ne!(expires, "null", "the configured time to live counts");

    // Her own key, from the host as a stand-in for outside; the host key is the pinned one.
    let host_key = one.info()["host_key"].as_str().expect("a key").to_owned();
    host.write_file("/home/alice/known", format!("{} {host_key}\n", one.address()), 0o644);
    let enter = |command: &str| {
        let options = ["-o", "UserKnownHostsFile=/home/alice/known", "-o", "BatchMode=yes"];
        host.command("ssh")
            .args(options)
            .args([&format!("agent@{}", one.address()), command])
            .as_user("alice")
    };
    assert_eq!(enter("hostname").ok().stdout, "keys\n");

    host.write_file("/run/secrets/claude", "second", 0o600);
    host.configure(&configuration.replace(key.trim(), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOther else"));
    one.command("stop").ok();
    one.command("start").ok();
    assert_eq!(one.ssh("cat /etc/berth/credentials/claude").ok().stdout, "second");
    assert!(!enter("true").run().is_success(), "a key that is no longer configured opens nothing");
    assert_eq!(one.info()["host_key"], host_key, "people's known_hosts stay true");
    one.destroy();
    host.assert_clean();
}

#[test]
fn stop_and_start_of_what_is_so_already_change_nothing() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "lifecycle-twice");
    let leader = leader(&host, &one);
    one.command("start").ok();
    assert_eq!(self::leader(&host, &one), leader, "it was not restarted");
    one.command("stop").ok();
    one.command("stop").ok();
    assert_eq!(one.state(), "stopped");
}

#[test]
fn after_a_reboot_of_the_host_doctor_starts_what_should_run_and_nothing_else() {
    let mut host = BerthHost::boot("e2e-host-reboot");
    let up = Agent::create(&host, "up");
    up.ssh("echo mine >workspace").ok();
    let paused = Agent::create(&host, "paused");
    paused.command("stop").ok();
    up.keep();
    paused.keep();

    host.reboot();

    let looked = agent(&host, &["doctor"]).run();
    assert_eq!(looked.code(), Some(1), "{looked}");
    assert!(looked.stdout.contains("the agent `up` should run and does not"), "{looked}");
    assert!(!looked.stdout.contains("paused"), "{looked}");
    agent(&host, &["doctor", "--fix"]).ok();
    let (up, paused) = (Agent::attach(&host, "up"), Agent::attach(&host, "paused"));
    assert_eq!((up.state(), paused.state()), ("running".to_owned(), "stopped".to_owned()));
    assert_eq!(up.ssh("cat workspace").ok().stdout, "mine\n");
    assert_eq!(agent(&host, &["doctor"]).run().code(), Some(0));
    paused.command("start").ok();
    assert_eq!(paused.ssh("hostname").ok().stdout, "paused\n");
}
