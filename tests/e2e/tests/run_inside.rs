//! `agent run` stays inside: what it starts has exactly what an ordinary
//! service of the container has, and nothing of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_e2e::{Agent, Signal, TestHost, wait_until};

const PATIENT: Duration = Duration::from_mins(1);

/// What shuts a process in, as the process sees it itself. A fixed text, so
/// that a service and `agent run` do exactly the same.
const LOOK: &str = r#"
grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status
for map in uid_map gid_map setgroups oom_score_adj; do echo "$map: $(tr -s ' ' </proc/self/$map)"; done
for space in cgroup ipc mnt net pid time user uts; do echo "$space: $(readlink /proc/self/ns/$space)"; done
sed 's/^/limit: /' /proc/self/limits
sed -E 's/berth-run-[0-9a-f]+|inside-service/THE-UNIT/; s/^/cgroup of /' /proc/self/cgroup
umask
"#;

/// The same, done by a service that the container's own systemd has from a unit
/// file.
fn of_an_ordinary_service(agent: &Agent, user: &str) -> String {
    let unit = format!(
        "[Service]\nType=oneshot\nUser={user}\nWorkingDirectory=~\nExecStart=/bin/sh /run/look\nStandardOutput=truncate:/run/looked\n"
    );
    let install = "cat >/run/systemd/system/inside-service.service && systemctl daemon-reload && systemctl start inside-service";
    agent.run_as_root("cat >/run/look").stdin(LOOK).ok();
    agent.run_as_root(install).stdin(unit).ok();
    agent.run_as_root("cat /run/looked").ok().stdout
}

#[test]
fn a_run_has_what_an_ordinary_service_inside_has_and_no_more() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-same");
    for (user, run) in [("agent", agent.run(LOOK)), ("root", agent.run_as_root(LOOK))] {
        let service = of_an_ordinary_service(&agent, user);
        assert_eq!(run.ok().stdout, service, "as {user}");
        let fields = fields(&service);
        assert_eq!(fields["Seccomp"], "2", "a filter is in force");
        assert_eq!(fields["cgroup of 0"], ":/system.slice/THE-UNIT.service");
        let (uid, capabilities) = match user {
            "agent" => ("1000 1000 1000 1000", "0000000000000000"),
            _ => ("0 0 0 0", fields["CapBnd"].as_str()),
        };
        assert_eq!(fields["Uid"], uid);
        assert_eq!(fields["CapEff"], capabilities);
    }
}

/// The twin: the comparison sees the way that Berth does not go.
#[test]
fn nixos_container_run_has_more_than_a_service_inside() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-twin");
    let service = of_an_ordinary_service(&agent, "root");
    // It would swallow stdin, and PATH is the host's.
    let escaped = host
        .command("nixos-container")
        .args(["run", &agent.container(), "--", "/bin/sh", "/run/look"])
        .ok()
        .stdout;
    assert_ne!(escaped, service);
    let (escaped, service) = (fields(&escaped), fields(&service));
    assert_eq!((escaped["Seccomp"].as_str(), service["Seccomp"].as_str()), ("0", "2"));
    assert!(bits(&escaped["CapBnd"]) & !bits(&service["CapBnd"]) != 0, "{escaped:?}");
    assert_ne!(escaped["cgroup of 0"], service["cgroup of 0"]);
}

fn fields(look: &str) -> BTreeMap<String, String> {
    let fields = look.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().replace('\t', " "))).collect()
}

fn bits(hex: &str) -> u64 {
    u64::from_str_radix(hex, 16).expect("a set of capabilities")
}

/// The cgroup on the host of the process with these words.
fn cgroup_on_the_host(host: &TestHost, words: &str) -> String {
    let pid = host.shell(&format!("pgrep -xf '{words}' | tail -n 1")).ok().stdout;
    host.shell(&format!("grep ^0:: /proc/{}/cgroup", pid.trim())).ok().stdout.trim_end().to_owned()
}

#[test]
fn what_is_run_counts_against_the_limits_of_its_container() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-cgroup");
    let inside = agent.command("run").args(["--", "sleep", "4243.1"]).spawn();
    let outside =
        host.command("nixos-container").args(["run", &agent.container(), "--", "sleep", "4243.2"]).spawn();
    for words in ["sleep 4243.1", "sleep 4243.2"] {
        wait_until(PATIENT, words, || host.command("pgrep").args(["-xf", words]).run().is_success());
    }
    let delegated = format!("/machine.slice/{}/payload/", agent.unit());
    let cgroup = cgroup_on_the_host(&host, "sleep 4243.1");
    assert!(cgroup.contains(&delegated), "{cgroup}");
    // The twin.
    let cgroup = cgroup_on_the_host(&host, "sleep 4243.2");
    assert!(!cgroup.contains(&delegated), "{cgroup}");

    // An interrupt ends it inside as well.
    inside.signal(Signal::TERM);
    inside.wait();
    assert!(!host.command("pgrep").args(["-xf", "sleep 4243.1"]).run().is_success());
    outside.signal_group(Signal::KILL);
    host.command("pkill").args(["-xf", "sleep 4243.2"]).run();
    outside.wait();
}

#[test]
fn no_descriptor_of_the_host_gets_inside() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-descriptors");
    host.shell("echo words-of-the-host >/run/inside-descriptors").ok();
    let look = "for f in /proc/self/fd/*; do readlink $f; done; cat";
    let seen_with = |start: &str| {
        let all = format!("exec 7</run/inside-descriptors; {start} sh -c '{look}' <&7 2>/dev/null");
        host.shell(&all).ok().stdout
    };
    let seen = seen_with(&format!("agent run {} --", agent.name()));
    let mut lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.pop(), Some("words-of-the-host"), "what is to be read gets inside");
    assert!(lines.len() >= 3 && lines.iter().all(|descriptor| descriptor.starts_with("pipe:")), "{seen}");
    // The twin: systemd hands over what it is given.
    let seen =
        seen_with(&format!("systemd-run --quiet --machine {} --pipe --wait --collect --", agent.container()));
    assert!(seen.contains("/inside-descriptors\n"), "{seen}");
    host.command("rm").arg("/run/inside-descriptors").ok();
}

#[test]
fn a_terminal_inside_is_not_the_terminal_outside() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-terminal");
    // script(1) gives us a terminal, and prints it first.
    let run = format!(
        "tty; agent run {} -- sh -c 'readlink /proc/self/fd/0; stat -Lc %t:%T:%i /proc/self/fd/0; stty size'",
        agent.name()
    );
    let seen = host.command("script").args(["-qec", &run, "/dev/null"]).env("TERM", "xterm").ok().stdout;
    let outside = seen.lines().next().expect("the terminal outside").trim();
    assert!(outside.starts_with("/dev/pts/"), "{seen}");
    let number = outside.trim_start_matches("/dev/pts/");
    let device = seen.lines().find(|line| line.contains(':')).expect("the device inside");
    let minor = device.split(':').nth(1).expect("its minor number");
    assert_ne!(minor, format!("{:x}", number.parse::<u32>().expect("a number")), "{seen}");
}

/// Logs a line at each level.
const LOG: &str = "
import socket
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for level in range(8):
    message = f'MESSAGE=at level {level}\\nPRIORITY={level}\\nSYSLOG_IDENTIFIER=inside-log\\n'
    journal.sendto(message.encode(), '/run/systemd/journal/socket')
";

#[test]
fn what_is_run_logs_to_the_journal_inside_at_every_level() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-log");
    agent.command("run").args(["--", "python3", "-c", LOG]).ok();
    let all: String = (0..8).map(|level| format!("at level {level}\n")).collect();
    wait_until(PATIENT, "the journal inside has all of it", || {
        agent.run_as_root("journalctl -q -o cat -t inside-log").ok().stdout == all
    });
}

#[test]
fn root_inside_is_nobody_on_the_host() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-userns");
    let map = agent.run_as_root("cat /proc/self/uid_map").ok().stdout;
    let map: Vec<u64> = map.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [inside, outside, count] = map[..] else { panic!("{map:?}") };
    assert_eq!((inside, count), (0, 65_536));
    assert!(outside >= 65_536, "{outside}");

    // A process of root inside belongs to that user of the host.
    let sleep = agent.command("run").args(["--root", "--", "sleep", "4244.1"]).spawn();
    wait_until(PATIENT, "it sleeps", || {
        host.command("pgrep").args(["-xf", "sleep 4244.1"]).run().is_success()
    });
    let owner = host.shell("ps -o uid= -p $(pgrep -xf 'sleep 4244.1')").ok().stdout;
    assert_eq!(owner.trim(), outside.to_string());
    sleep.signal(Signal::TERM);
    sleep.wait();

    // So the kernel refuses it what it keeps for the host's root.
    for forbidden in [
        "echo 1 >/proc/sys/kernel/panic",
        "echo 0 >/proc/sys/vm/overcommit_memory",
        "mknod /srv/mem c 1 1",
        "chown 70000 /srv",
        "date -s 2000-01-01",
        "chattr +i /srv",
    ] {
        let refused = agent.run_as_root(forbidden).run();
        assert!(!refused.is_success(), "{forbidden}: {refused}");
    }
}

const CONNECT: &str = "
import socket
daemon = socket.socket(socket.AF_UNIX)
daemon.connect('/nix/var/nix/daemon-socket/socket')
daemon.send(b'cxin\\0\\0\\0\\0')
daemon.recv(1)
";

/// Whom the Nix daemon saw, in the form `user NAME` and ` (trusted)`.
fn seen_by_the_daemon(host: &TestHost, user: &str) -> String {
    let mut seen = String::new();
    wait_until(PATIENT, "the daemon tells who connected", || {
        host.command("journalctl").arg("--sync").ok();
        let log = host
            .command("journalctl")
            .args(["-q", "-b", "-o", "cat", "-u", "nix-daemon.service"])
            .ok()
            .stdout;
        let of_user = log
            .lines()
            .filter_map(|line| line.strip_prefix("accepted connection from pid ")?.split_once(", "));
        let last = of_user.map(|(_, seen)| seen).rfind(|seen| seen.starts_with(user));
        last.unwrap_or_default().clone_into(&mut seen);
        !seen.is_empty()
    });
    seen
}

#[test]
fn the_nix_daemon_does_not_trust_root_of_a_container() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "inside-nix");
    agent.command("run").args(["--root", "--", "python3", "-c", CONNECT]).ok();
    // As systemd's resolver calls users of containers.
    let user = format!("user vu-{}-0", agent.container());
    assert_eq!(seen_by_the_daemon(&host, &user), user);
    // The twin.
    host.command("python3").args(["-c", CONNECT]).ok();
    assert_eq!(seen_by_the_daemon(&host, "user root"), "user root (trusted)");
}
