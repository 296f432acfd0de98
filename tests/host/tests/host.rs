//! The host itself: life cycle, commands, network, Nix.

use std::time::{Duration, Instant};

use berth_testhost::{Cache, OwnHost, TestHost, wait_until};
use rustix::process::Signal;

#[test]
fn a_host_boots_completely_and_leaves_nothing() {
    let host = OwnHost::boot("lifecycle").expect("a host boots");
    assert_eq!(host.command("systemctl").arg("is-system-running").ok().stdout, "running\n");
    let leader = host.leader();
    let groups = std::fs::read_to_string(format!("/proc/{leader}/cgroup")).expect("it runs");
    let group =
        groups.split('/').find(|part| part.starts_with("berth-testhost-")).expect("a group of its own");
    assert!(cgroups().contains(group));
    drop(host);
    assert!(!cgroups().contains(group), "its cgroup is gone");
    assert!(!std::path::Path::new(&format!("/proc/{leader}")).exists());
    let cache = Cache::from_env().expect("a cache");
    let hosts = TestHost::list(&cache).expect("hosts are listed");
    assert!(hosts.iter().all(|(name, _)| name != "lifecycle"), "{hosts:?}");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts are listed");
    assert!(!mounts.contains("hosts/lifecycle"), "{mounts}");
    let error = TestHost::attach(&cache, "lifecycle").expect_err("it is gone");
    assert_eq!(
        format!("{error:#}"),
        "host `lifecycle` is not up; boot it with `./dev host up --name lifecycle`"
    );
}

#[test]
fn a_killed_host_is_cleared_by_the_next_boot() {
    let host = OwnHost::boot("killed").expect("a host boots");
    host.write_file("/etc/left-over", "x", 0o644);
    let leader = rustix::process::Pid::from_raw(i32::try_from(host.leader()).expect("a pid")).expect("a pid");
    rustix::process::kill_process(leader, Signal::KILL).expect("the host is killed");
    wait_until(Duration::from_mins(1), "the host is dead", || !host.is_up());
    // As if the process that booted it had died with it.
    std::mem::forget(host);
    let host = OwnHost::boot("killed").expect("a host boots where another was killed");
    assert!(!host.exists("/etc/left-over"));
}

#[test]
fn a_rebooted_host_keeps_its_files_and_starts_no_container() {
    let mut host = OwnHost::boot("rebooted").expect("a host boots");
    host.write_file("/usr/bin/berth-guard", "#!/bin/sh\nexit 0\n", 0o755);
    host.command("nixos-container")
        .args([
            "create",
            "op-1",
            "--auto-start",
            "--system-path",
            "/nix/var/nix/gcroots/berth-testhost/plain",
        ])
        .ok();
    host.command("nixos-container").args(["start", "op-1"]).ok();
    host.reboot().expect("it boots again");
    assert_eq!(host.command("nixos-container").args(["status", "op-1"]).ok().stdout, "down\n");
    assert!(host.exists("/usr/bin/berth-guard"));
}

#[test]
fn two_hosts_do_not_see_each_other() {
    let one = OwnHost::boot("pair-one").expect("a host boots");
    let two = OwnHost::boot("pair-two").expect("a host boots beside it");
    one.write_file("/var/lib/nixos-containers/mark", "one", 0o600);
    one.command("nix-store").args(["--gc"]).ok();
    assert!(!two.exists("/var/lib/nixos-containers/mark"));
    two.command("nix-store").args(["--verify", "--check-contents"]).ok();
}

#[test]
fn commands_pass_input_output_code_and_signal() {
    let host = TestHost::shared();
    let output = host.shell("cat; echo to-stderr >&2; exit 7").stdin("to-stdin").run();
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code()),
        ("to-stdin", "to-stderr\n", Some(7))
    );
    assert_eq!(host.shell("kill -TERM $$").run().signal(), Some(15));
}

#[test]
fn commands_start_with_a_clean_environment_in_a_cgroup_of_the_host() {
    let host = TestHost::shared();
    let environment = host.command("env").env("ONE", "1").ok().stdout;
    let mut names: Vec<_> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "LOGNAME", "ONE", "PATH", "SHELL", "USER"]);
    let groups = host.command("cat").arg("/proc/self/cgroup").ok().stdout;
    assert!(groups.lines().any(|line| line == "0::/init.scope"), "{groups}");
}

#[test]
fn a_user_has_the_users_groups_and_no_more() {
    let host = TestHost::shared();
    let id = host.command("id").as_user("alice").ok().stdout;
    assert!(id.starts_with("uid=1001(alice) gid=1001(alice)"), "{id}");
    assert!(id.contains("(berth)") && !id.contains("(root)"), "{id}");
    let home = host.shell("echo $HOME; touch /root/x 2>&1 || true").as_user("alice").ok().stdout;
    assert!(home.starts_with("/home/alice\n") && home.contains("Permission denied"), "{home}");
}

#[test]
fn a_running_command_can_be_killed_half_way() {
    let host = TestHost::shared();
    let running = host.command("sleep").arg("1000").spawn();
    let pid = running.pid();
    assert_eq!(host.read_file(&format!("/proc/{pid}/comm")), "sleep\n");
    running.signal(Signal::KILL);
    assert_eq!(running.wait().signal(), Some(9));
    wait_until(Duration::from_mins(1), "it is gone inside", || !host.exists(&format!("/proc/{pid}")));
}

#[test]
#[should_panic(expected = "was not finished after 200ms and was killed")]
fn a_command_beyond_its_deadline_is_killed() {
    TestHost::shared().command("sleep").arg("1000").deadline(Duration::from_millis(200)).run();
}

#[test]
fn files_are_written_whole_with_their_mode_and_inside_the_host() {
    let host = TestHost::shared();
    // From outside, this link would lead to the outer machine's /tmp.
    host.shell("rm -rf /srv/files && mkdir /srv/files && ln -s /srv/files /srv/files/link").ok();
    host.write_file("/srv/files/link/secret", [0, 159, 146, 150], 0o600);
    assert_eq!(host.command("stat").args(["-c", "%a %s", "/srv/files/secret"]).ok().stdout, "600 4\n");
    assert!(!std::path::Path::new("/srv/files").exists());
}

#[test]
fn the_internet_is_reached_by_the_default_route() {
    let host = TestHost::shared();
    for (address, place) in
        [("203.0.113.10", "internet"), ("192.168.77.1", "lan"), ("169.254.169.254", "metadata")]
    {
        let answer = host.command("curl").args(["-sS", "-m", "5", &format!("http://{address}/")]).ok().stdout;
        assert_eq!(answer, format!("place={place} client=198.51.100.2\n"));
    }
    let own = host.command("curl").args(["-sS", "-m", "5", "http://198.51.100.2:8080/"]).ok().stdout;
    assert_eq!(own, "place=service client=198.51.100.2\n");
}

#[test]
fn a_missing_nat_is_seen_as_the_private_address() {
    let host = OwnHost::boot("no-nat").expect("a host boots");
    host.command("ip").args(["address", "add", "10.100.7.7/32", "dev", "lo"]).ok();
    let answer = host
        .command("curl")
        .args(["-sS", "-m", "5", "--interface", "10.100.7.7", "http://203.0.113.10/"])
        .ok()
        .stdout;
    assert_eq!(answer, "place=internet client=10.100.7.7\n");
}

#[test]
fn nothing_leads_out_of_the_machine() {
    let host = TestHost::shared();
    for address in ["1.1.1.1", "8.8.8.8", "10.0.0.1"] {
        let begin = Instant::now();
        let answer = host.command("curl").args(["-sS", "-m", "3", &format!("http://{address}/")]).run();
        assert!(!answer.is_success(), "{address} answered after {:?}: {answer}", begin.elapsed());
    }
}

#[test]
fn the_resolver_knows_one_name_and_listens_on_the_services_address_only() {
    let host = TestHost::shared();
    let found = host.command("getent").args(["ahostsv4", "public.test"]).ok().stdout;
    assert!(found.starts_with("203.0.113.10"), "{found}");
    assert_eq!(host.command("getent").args(["hosts", "other.test"]).run().code(), Some(2));
    let sockets = host.command("ss").args(["-Hlnu", "sport = :53"]).ok().stdout;
    assert_eq!(sockets.lines().count(), 1, "{sockets}");
    assert!(sockets.contains("10.100.0.1:53"), "{sockets}");
}

#[test]
fn the_flake_builds_in_nixs_sandbox() {
    let host = TestHost::shared();
    let settings = host
        .command("nix")
        .args(["--extra-experimental-features", "nix-command", "show-config", "--json"])
        .ok();
    let settings = settings.stdout;
    let is_on = |name: &str, value: &str| {
        let start = settings.find(&format!("\"{name}\":")).expect("the setting is shown");
        settings[start..].split("\"value\":").nth(1).is_some_and(|rest| rest.starts_with(value))
    };
    assert!(is_on("sandbox", "1") || is_on("sandbox", "true"), "{settings}");
    // A copy, so that other tests' flake stays as it is.
    host.shell("rm -rf /srv/flake && cp -r /etc/berth/closures /srv/flake && date +%N >/srv/flake/marker")
        .ok();
    let built = nix_build(&host, "path:/srv/flake", "agent").ok().stdout;
    let path =
        built.split('"').find(|part| part.ends_with("-nixos-system-agent-test")).expect("a store path");
    let marker = host.read_file(&format!("{path}/marker"));
    assert_eq!(marker, host.read_file("/srv/flake/marker"));
}

#[test]
fn the_broken_flake_fails_with_nixs_own_words() {
    let host = TestHost::shared();
    let built = nix_build(&host, "path:/etc/berth/closures-broken", "agent").run();
    assert_eq!(built.code(), Some(1), "{built}");
    assert!(built.stderr.contains("error: the option `services.nonsense' does not exist"), "{built}");
}

#[test]
fn alice_may_run_agent_through_sudo_and_nothing_else() {
    let host = OwnHost::boot("sudo").expect("a host boots");
    host.write_file("/usr/bin/agent", "#!/bin/sh\nenv | grep -E '^(SUDO_USER|SECRET)='\n", 0o755);
    let output = host.command("ssh").args(["alice@localhost", "SECRET=x", "sudo", "-n", "agent"]).ok();
    assert_eq!(output.stdout, "SUDO_USER=alice\n");
    let refused = host.command("sudo").args(["-n", "cat", "/etc/shadow"]).as_user("alice").run();
    assert!(!refused.is_success(), "{refused}");
}

fn nix_build<'h>(host: &'h TestHost, flake: &str, name: &str) -> berth_testhost::HostCommand<'h> {
    host.command("nix")
        .args(["--extra-experimental-features", "nix-command flakes", "build", "--no-link", "--json"])
        .arg(format!("{flake}#nixosConfigurations.{name}.config.system.build.toplevel"))
}

/// The names of all cgroups of the machine outside, in the hierarchies that a
/// host has groups in.
fn cgroups() -> String {
    let found = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-maxdepth", "3", "-name", "berth-testhost-*"])
        .output()
        .expect("find starts");
    String::from_utf8_lossy(&found.stdout).into_owned()
}
