//! `agent doctor`: each finding is seen when it is true, and told with the way
//! out; `--fix` repairs what needs no decision of a person.

use berth_e2e::{Agent, BerthHost, Output, TestHost, agent, json, sql};

/// What doctor finds beyond the test host's own warnings: `check: message`.
fn findings(host: &TestHost) -> Vec<String> {
    told(&agent(host, &["doctor", "--json"]).run())
}

fn told(output: &Output) -> Vec<String> {
    let told = json(output);
    let bad = told["findings"].as_array().expect("findings").iter().filter(|finding| {
        finding["severity"] == "error"
            || (finding["severity"] == "warning" && !is_of_the_test_host(&finding["check"]))
    });
    bad.map(|finding| {
        assert!(finding["way_out"].is_string(), "no way out of {finding}");
        let word = |key: &str| finding[key].as_str().unwrap_or("?").to_owned();
        format!("{}: {}", word("check"), word("message"))
    })
    .collect()
}

/// Its systemd is old, and its kernel settings are the machine's.
fn is_of_the_test_host(check: &berth_e2e::Value) -> bool {
    check == "systemd" || check == "sysctl"
}

/// `doctor --fix` and what it says of it: nothing may be left.
#[track_caller]
fn fixed(host: &TestHost) -> Vec<String> {
    let output = agent(host, &["doctor", "--fix", "--json"]).run();
    assert_eq!(output.code(), Some(0), "{output}");
    assert_eq!(told(&output), [""; 0]);
    let report = json(&output);
    assert_eq!(report["left"], serde_json::json!([]));
    let repaired = report["repaired"].as_array().expect("a list").clone();
    repaired.iter().map(|line| line.as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_host_as_it_should_be_has_no_findings_and_needs_no_repair() {
    let host = BerthHost::boot("e2e-healthy");
    let nothing_built = ["closure: no system was built yet: the first `agent create` will"];
    // The firewall is loaded with the first agent, or by the host's own unit.
    agent(&host, &["firewall", "load"]).ok();
    assert_eq!(findings(&host), nothing_built);
    let one = Agent::create(&host, "x");
    assert_eq!(findings(&host), [""; 0]);
    assert_eq!(fixed(&host), [""; 0]);
    assert_eq!(one.state(), "running");
    one.destroy();
    host.assert_clean();
}

#[test]
fn a_guard_that_is_not_asked_first_is_found() {
    let host = BerthHost::boot("e2e-no-guard");
    agent(&host, &["firewall", "load"]).ok();
    agent(&host, &["build"]).ok();
    let drop_in = "/etc/systemd/system/container@.service.d/10-berth-guard.conf";
    host.shell(&format!("cp {drop_in} /run/good && mv /usr/bin/berth-guard /run/guard")).ok();
    assert_eq!(findings(&host), ["guard: `/usr/bin/berth-guard` does not exist: no container can start"]);
    host.shell("mv /run/guard /usr/bin/berth-guard").ok();
    host.shell(&format!("rm {drop_in} && systemctl daemon-reload")).ok();
    let found = findings(&host);
    assert!(
        found.len() == 1
            && found[0].starts_with("guard: `/usr/lib/berth-testhost/container/pre-start` runs before"),
        "{found:?}"
    );
    host.shell(&format!("cp /run/good {drop_in} && systemctl daemon-reload")).ok();
    assert_eq!(findings(&host), [""; 0]);
}

#[test]
fn a_firewall_that_is_gone_is_found_and_loaded_again() {
    let host = BerthHost::boot("e2e-no-firewall");
    let one = Agent::create(&host, "x");
    let reaches_services = || one.ssh("nc -zw2 10.100.0.1 53").run().is_success();
    assert!(reaches_services());
    host.shell("nft delete table inet berth").ok();
    let missing = "firewall: the table `inet berth` is not in force as recorded: no container starts";
    assert_eq!(findings(&host), [missing]);
    assert_eq!(fixed(&host), ["loaded the firewall"]);
    assert!(reaches_services(), "with the pin of the agent that runs");

    host.shell("nft flush set inet berth sources").ok();
    assert!(!reaches_services(), "without a pin nothing gets out");
    assert_eq!(findings(&host), [missing], "a table without the pin is not it");
    assert_eq!(fixed(&host), ["loaded the firewall"]);
    assert!(reaches_services());
    one.destroy();
    host.assert_clean();
}

#[test]
fn leftovers_of_every_kind_are_found_and_removed() {
    let host = BerthHost::boot("e2e-leftovers");
    agent(&host, &["build"]).ok();
    agent(&host, &["firewall", "load"]).ok();
    let plant = |script: &str| host.shell(script).ok();
    plant("systemctl set-property container@a31.service MemoryMax=64M");
    plant("echo >/etc/nixos-containers/a32.conf");
    plant("mkdir -p /var/lib/nixos-containers/a33/etc && touch /var/lib/nixos-containers/a33/etc/x");
    plant("mkdir -p /run/berth/known-hosts && touch /run/berth/known-hosts/a34");
    plant("mkdir -p /run/berth/lock && touch /run/berth/lock/a35");
    plant("ln -s /nix/store/none /var/lib/berth/gcroots/closure-99");
    plant("nft add element inet berth sources '{ \"ve-a36\" . 10.100.0.73 }'");
    plant("cd /nix/var/nix && install -d -m 0700 profiles/per-container gcroots/per-container");
    plant("cd /nix/var/nix && mkdir profiles/per-container/a37 gcroots/per-container/a38");
    plant("ln -s /var/lib/nixos-containers/a40/var/log/journal/x /var/log/journal/x");
    plant("mkdir -p /run/systemd/nspawn/propagate/a41");
    // What is not Berth's: it must stay.
    plant("mkdir -p /var/lib/nixos-containers/op-web /run/systemd/nspawn/propagate/op-web");
    plant("systemctl set-property container@op-web.service MemoryMax=64M");

    let found = findings(&host);
    insta::assert_snapshot!(found.join("\n"));
    insta::assert_snapshot!(fixed(&host).join("\n"));
    host.assert_clean();
    assert!(host.exists("/var/lib/nixos-containers/op-web"));
    assert!(host.exists("/etc/systemd/system.control/container@op-web.service.d"));
    assert_eq!(fixed(&host), [""; 0], "the second time there is nothing to do");
}

#[test]
fn a_leftover_that_cannot_be_removed_is_not_said_to_be() {
    let host = BerthHost::boot("e2e-stays");
    agent(&host, &["build"]).ok();
    agent(&host, &["firewall", "load"]).ok();
    host.shell("ip link add ve-a39 type veth peer name somebodys").ok();
    let output = agent(&host, &["doctor", "--fix", "--json"]).run();
    assert_eq!(output.code(), Some(1), "{output}");
    let left =
        "removed an interface of a39, which no record explains: an interface stayed, remove it by hand";
    assert_eq!(json(&output)["left"], serde_json::json!([left]));
    assert_eq!(json(&output)["repaired"], serde_json::json!([]));
    host.shell("ip link delete ve-a39").ok();
    assert_eq!(fixed(&host), [""; 0]);
}

#[test]
fn a_running_container_without_a_record_is_stopped_and_removed() {
    let host = BerthHost::boot("e2e-no-record");
    let one = Agent::create(&host, "x");
    let other = Agent::create(&host, "other");
    sql(&host, "DELETE FROM berths WHERE name = 'x'");
    one.keep();
    let found = findings(&host);
    assert!(found.len() == 1 && found[0].starts_with("leftovers: a1 has files, a unit"), "{found:?}");
    let repaired = fixed(&host);
    assert!(repaired.len() == 1 && repaired[0].starts_with("removed files, a unit"), "{repaired:?}");
    assert_eq!(other.ssh("hostname").ok().stdout, "other\n");
    other.destroy();
    host.assert_clean();
}

#[test]
fn what_somebody_works_on_is_neither_found_nor_touched() {
    let host = BerthHost::configured("e2e-under-way", "[deadlines]\nstop = \"3s\"\n");
    host.offer("hanging-boot");
    agent(&host, &["build"]).ok();
    let one = Agent::named(&host, "x");
    let create = one.command("create").spawn();
    berth_e2e::wait_until(std::time::Duration::from_mins(1), "it starts", || one.state() == "starting");
    assert_eq!(findings(&host), [""; 0]);
    assert_eq!(fixed(&host), [""; 0]);
    assert_eq!(one.state(), "starting");
    create.signal(berth_e2e::Signal::INT);
    create.wait();
    one.keep();
    host.assert_clean();
}

#[test]
fn an_agent_that_is_down_and_should_run_is_found_and_started() {
    let host = BerthHost::boot("e2e-down");
    let one = Agent::create(&host, "x");
    host.command("systemctl").args(["stop", &one.unit()]).ok();
    assert_eq!(findings(&host), ["agents: the agent `x` should run and does not"]);
    assert_eq!(fixed(&host), ["started the agent `x`"]);
    assert_eq!(one.ssh("hostname").ok().stdout, "x\n");
    one.command("stop").ok();
    assert_eq!(findings(&host), [""; 0], "one that was stopped on purpose is as it should be");
    one.destroy();
    host.assert_clean();
}

#[test]
fn a_network_that_cannot_work_is_found() {
    let host = BerthHost::boot("e2e-network");
    agent(&host, &["build"]).ok();
    agent(&host, &["firewall", "load"]).ok();
    host.shell("ip link add wg0 type veth peer name wg1 && ip link set wg0 up && ip route add 10.100.77.0/24 dev wg0")
        .ok();
    assert_eq!(
        findings(&host),
        ["subnet: 10.100.0.0/16 overlaps the host's route `10.100.77.0/24` on `wg0`"]
    );
    host.shell("ip link del wg0").ok();
    let services = "10.100.0.1/32";
    let interface = host
        .shell("ip -j address | jq -r '.[] | select(any(.addr_info[]; .local == \"10.100.0.1\")).ifname'");
    let interface = interface.ok().stdout.trim().to_owned();
    host.command("ip").args(["address", "del", services, "dev", &interface]).ok();
    assert_eq!(
        findings(&host),
        ["services address: 10.100.0.1 is on no interface: containers have no resolver"]
    );
    host.command("ip").args(["address", "add", services, "dev", &interface]).ok();
    assert_eq!(findings(&host), [""; 0]);
}

#[test]
fn a_closure_that_is_not_pinned_is_found_and_a_build_pins_it() {
    let host = BerthHost::boot("e2e-no-root");
    agent(&host, &["firewall", "load"]).ok();
    agent(&host, &["build"]).ok();
    host.shell("rm /var/lib/berth/gcroots/*").ok();
    let found = findings(&host);
    assert!(
        found.len() == 1 && found[0].contains("is not pinned by `/var/lib/berth/gcroots/closure-1`"),
        "{found:?}"
    );
    agent(&host, &["build"]).ok();
    assert_eq!(findings(&host), [""; 0]);
    host.assert_clean();
}

#[test]
fn a_folder_of_roots_that_others_can_enter_is_found_and_starts_nothing() {
    let host = BerthHost::boot("e2e-open-roots");
    let one = Agent::create(&host, "x");
    host.shell("chmod 0755 /var/lib/nixos-containers").ok();
    let found = findings(&host);
    assert_eq!(found, ["container roots: `/var/lib/nixos-containers` is open to others than root"]);
    one.command("stop").ok();
    let refused = one.command("start").run();
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert!(refused.stderr.contains("chmod 0700 /var/lib/nixos-containers"), "{refused}");
    host.shell("chmod 0700 /var/lib/nixos-containers").ok();
    one.command("start").ok();
    one.destroy();
    host.assert_clean();
}

#[test]
fn missing_programs_are_found() {
    let host = BerthHost::boot("e2e-no-tools");
    agent(&host, &["firewall", "load"]).ok();
    agent(&host, &["build"]).ok();
    host.shell("mv /usr/bin/machinectl /run/; mv /usr/bin/ssh /run/").ok();
    assert_eq!(findings(&host), ["tools: `machinectl` is not installed", "tools: `ssh` is not installed"]);
    host.shell("mv /run/machinectl /run/ssh /usr/bin/").ok();
    assert_eq!(findings(&host), [""; 0]);
}

#[test]
fn an_agent_outside_the_configured_subnet_is_found_and_can_be_destroyed() {
    let host = BerthHost::boot("e2e-subnet");
    let one = Agent::create(&host, "x");
    sql(&host, "UPDATE berths SET slot = 300");
    host.configure("subnet = \"10.100.0.0/24\"\n");
    let found = findings(&host);
    let outside = "agents: the agent `x` lies outside the configured `subnet`";
    assert!(found.iter().any(|line| line == outside), "{found:?}");
    one.destroy();
    host.configure("");
    // Its container lost its record with the slot.
    agent(&host, &["doctor", "--fix"]).ok();
    host.assert_clean();
}

#[test]
fn doctor_looks_at_what_it_can_when_the_records_are_broken() {
    let host = BerthHost::boot("e2e-broken-records");
    agent(&host, &["build"]).ok();
    host.shell("cd /var/lib/berth/state && rm -f * && echo garbage >berth.db").ok();
    let looked = agent(&host, &["doctor"]).run();
    assert_eq!(looked.code(), Some(1), "{looked}");
    assert!(looked.stdout.contains("it has 8 bytes"), "{looked}");
    assert!(looked.stdout.contains("all 10 programs that Berth calls are there"), "{looked}");
    assert!(looked.stdout.contains("berth-guard` looks at every container"), "{looked}");
}
