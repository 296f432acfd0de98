//! What a hostile container does to those who look at it: to their terminals,
//! to their patience, and to the settings that shut it in.

use std::time::{Duration, Instant};

use berth_e2e::{Agent, BerthHost, JournalMark, Output, TestHost, Value, agent, json, wait_until};

const PATIENT: Duration = Duration::from_mins(2);

/// Clears the screen, retitles the terminal, moves the cursor, writes
/// backwards.
const ESCAPES: &str = "before\x1b[2J\x1b]0;evil\x07\x1b[1;1H\u{9b}31m\u{202e}after";

/// Turns the direction of writing around, and is no control character.
const BACKWARDS: &str = "before\u{202e}after";

/// Runs a command on a terminal of 80 columns and returns what reaches it.
fn on_a_terminal(host: &TestHost, command: &str) -> Output {
    let environment = [("TERM", "xterm"), ("COLUMNS", "80")];
    let script = host.command("script").args(["-qec", command, "/dev/null"]);
    environment
        .into_iter()
        .fold(script, |script, (name, value)| script.env(name, value))
        .deadline(PATIENT)
        .run()
}

/// Nothing that a terminal would obey is in a text.
#[track_caller]
fn assert_harmless(text: &str) {
    let hostile = |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || c == '\u{202e}';
    assert!(!text.contains(hostile), "{text:?}");
    assert!(text.contains("after"), "the words of the container are shown: {text:?}");
}

/// Sends stdin to journald as one message, as often as asked for.
const LOG: &str = "
import socket, struct, sys
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
words = sys.stdin.buffer.read()
for number in range(int(sys.argv[1])):
    message = b'MESSAGE\\n' + struct.pack('<Q', len(words)) + words + b'\\nSYSLOG_IDENTIFIER=evil\\n'
    journal.sendto(message, '/run/systemd/journal/socket')
";

/// Writes to the journal of a container as its root, and waits until it is
/// there: also the twin of what must not be shown, as it is stored as it is.
fn log(agent: &Agent, words: &str, times: u32) {
    let python = ["--root", "--", "python3", "-c", LOG, &times.to_string()];
    agent.command("run").args(python).stdin(words).ok();
    wait_until(PATIENT, "the journal has the words", || {
        let stored = agent.run_as_root("journalctl --all -o cat -t evil").ok().stdout;
        stored.matches(words).count() == times as usize
    });
}

#[test]
fn escapes_in_a_journal_do_not_reach_the_terminal() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "boundary-journal");
    // journalctl shows no more than the size of a message with control
    // characters, but it does show this one.
    log(&agent, BACKWARDS, 1);
    log(&agent, ESCAPES, 1);

    let logs = format!("agent logs {}", agent.name());
    assert_harmless(&on_a_terminal(&host, &logs).stdout);
    agent.command("stop").ok();
    assert_harmless(&on_a_terminal(&host, &logs).stdout);
    // Nor a pipe that ends on a terminal later.
    let piped = agent.command("logs").ok().stdout;
    assert!(!piped.contains('\x1b') && piped.contains("after"), "{piped:?}");
}

#[test]
fn very_long_lines_and_floods_in_a_journal_end_in_bounded_time() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "boundary-flood");
    // Under 4 KiB: of longer ones journalctl tells the stopped side only that they are.
    log(&agent, &"x".repeat(4_000), 600);
    let logs = format!("agent logs -n 400 {}", agent.name());
    for state in ["running", "stopped"] {
        let shown = on_a_terminal(&host, &logs);
        assert!(shown.is_success(), "{state}: {}", shown.stderr);
        assert!(shown.stdout.contains("xxxx"), "{state}");
        assert!(shown.stdout.len() < 8 << 20, "{state}: {} bytes", shown.stdout.len());
        agent.command("stop").ok();
    }
}

/// A system that writes to its console at boot and then goes down.
const GOES_DOWN: &str = r"
cat >/etc/systemd/system/evil.service <<'UNIT'
[Unit]
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cat /evil >/dev/console; systemctl --force --force poweroff'
UNIT
mkdir -p /etc/systemd/system/sysinit.target.requires
ln -s ../evil.service /etc/systemd/system/sysinit.target.requires/
";

#[test]
fn escapes_on_a_console_do_not_reach_the_terminal_in_an_error() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "boundary-console");
    let mark = JournalMark::now(&host);
    agent.run_as_root("cat >/evil").stdin(format!("{ESCAPES}\n")).ok();
    agent.run_as_root(GOES_DOWN).ok();
    agent.command("stop").ok();
    let started = on_a_terminal(&host, &format!("agent start {} 2>&1 | cat", agent.name()));
    assert_harmless(&started.stdout);
    assert!(started.stdout.contains("could not start the agent"), "{}", started.stdout);
    // The twin: the host's journal has them as they are.
    let raw = mark.messages_of(&agent.unit());
    assert!(raw.contains("\x1b[2J"), "{raw:?}");
}

#[test]
fn the_target_of_a_planted_symlink_is_shown_harmlessly_on_one_line() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "boundary-target");
    let mark = JournalMark::now(&host);
    let plant = "import os; os.rename('/root', '/root-2'); os.symlink(b'/after\\x1b[2J\\nberth-guard: all is well\\n\\xff', '/root')";
    agent.command("run").args(["--root", "--", "python3", "-c", plant]).ok();
    agent.command("stop").ok();
    let started = on_a_terminal(&host, &format!("agent start {} 2>&1 | cat", agent.name()));
    assert_harmless(&started.stdout);
    let journal = mark.messages_of(&agent.unit());
    let (named, forged): (Vec<&str>, Vec<&str>) =
        journal.lines().filter(|line| line.contains("berth-guard")).partition(|line| line.contains("/after"));
    assert!(!named.is_empty() && forged.is_empty(), "{journal:?}");
}

#[test]
fn hostile_names_that_a_system_gives_itself_are_not_taken_over() {
    let host = TestHost::shared();
    let agent_ = Agent::create(&host, "boundary-names");
    let rename = r#"
        printf 'PRETTY_NAME="\033[2Jevil"\nID=evil\n' >/etc/os-release
        printf 'PRETTY_HOSTNAME="\033[2Jevil"\n' >/etc/machine-info
        echo firewall >/etc/hostname; hostname host.example.com
        printf '\033[2Jevil-motd\n' >/etc/motd
        printf '[Unit]\nDescription=\033[2Jevil\n[Service]\nExecStart=/bin/false\n' >/run/systemd/system/evil.service
        systemctl daemon-reload; systemctl start evil.service; true
    "#;
    agent_.run_as_root(rename).ok();
    for words in ["list", "info boundary-names", "events boundary-names", "logs boundary-names"] {
        let shown = on_a_terminal(&host, &format!("agent {words}"));
        assert!(
            shown.is_success() && !shown.stdout.contains("\x1b[2J") && !shown.stdout.contains("]0;"),
            "{words}: {shown}"
        );
    }
    let listed = agent_.listed().expect("it is listed");
    assert_eq!(listed["name"], "boundary-names");
    assert_eq!(agent_.info()["failed_units"], Value::from(vec!["evil.service"]));
    assert_eq!(agent_.state(), "degraded");
    // Its own name comes back with the next start.
    agent_.command("stop").ok();
    agent_.command("start").ok();
    assert_eq!(agent_.run("hostname").ok().stdout, "boundary-names\n");
}

#[test]
fn rubbish_where_berth_writes_does_not_disturb_it() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "boundary-rubbish");
    let rubbish = r"
        cd /etc/berth
        for n in $(seq 3000); do : >ssh/$n; done
        truncate -s 10G hostname ssh/authorized_keys
        dd if=/dev/urandom of=ssh/ssh_host_ed25519_key.pub bs=1M count=4 2>/dev/null
        mkdir -p credentials/x
    ";
    one.run_as_root(rubbish).ok();
    let begin = Instant::now();
    let listed = json(&agent(&host, &["list", "--json"]).ok());
    assert!(listed.as_array().is_some_and(|list| !list.is_empty()));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    one.command("stop").ok();
    one.command("start").ok();
    one.ssh("true").ok();
    assert_eq!(one.run("cat /etc/berth/hostname").ok().stdout, "boundary-rubbish\n");

    // A key that cannot be one is told, not read whole.
    one.run_as_root("truncate -s 10G /etc/berth/ssh/ssh_host_ed25519_key").ok();
    one.command("stop").ok();
    let started = one.command("start").run();
    assert!(!started.is_success() && started.stderr.contains("ssh_host_ed25519_key"), "{started}");
}

/// Takes the place of the bus inside, accepts and says nothing.
const MUTE: &str = "
import os, socket, time
server = socket.socket(socket.AF_UNIX)
os.unlink('/run/dbus/system_bus_socket')
server.bind('/run/dbus/system_bus_socket')
server.listen(100)
kept = []
while True: kept.append(server.accept())
";

#[test]
fn a_system_that_never_answers_holds_nobody_up() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "boundary-mute");
    one.run_as_root("cat >/srv/mute.py").stdin(MUTE).ok();
    one.run_as_root("systemd-run -q --unit=mute python3 /srv/mute.py").ok();
    wait_until(PATIENT, "the bus is mute", || {
        let asked = host
            .command("timeout")
            .args(["2", "systemctl", "-M", &one.container(), "is-system-running"])
            .run();
        asked.code() == Some(124)
    });
    let begin = Instant::now();
    assert_eq!(one.state(), "running");
    assert!(begin.elapsed() < Duration::from_secs(15), "list took {:?}", begin.elapsed());
    // This one asks, in vain, and goes on without the answer.
    one.command("info").deadline(Duration::from_mins(1)).ok();
    one.ssh("true").ok();
    let begin = Instant::now();
    one.destroy();
    assert!(begin.elapsed() < Duration::from_secs(90), "destroy took {:?}", begin.elapsed());
}

#[test]
fn limits_are_properties_of_the_unit() {
    let host = TestHost::shared();
    let one =
        Agent::create_with(&host, "boundary-limits", &["--tasks", "321", "--memory", "1G", "--cpus", "1.5"]);
    for (property, value) in
        [("TasksMax", "321"), ("MemoryMax", "1073741824"), ("CPUQuotaPerSecUSec", "1.500000s")]
    {
        let shown =
            host.command("systemctl").args(["show", "--value", "-p", property, &one.unit()]).ok().stdout;
        let is = shown.trim_end();
        assert!(is == value || is == "1.5s", "{property} is {is}");
    }
}

/// A settings file, with something that is seen inside.
const SETTINGS: &str = "[Exec]\nNoNewPrivileges=yes\n";

#[test]
fn a_settings_file_beside_a_root_is_ignored() {
    let host = BerthHost::boot("boundary-settings");
    let one = Agent::create(&host, "boundary-settings");
    let container = one.container();
    // The twin: a container that Berth does not start takes it.
    host.command("nixos-container")
        .args(["create", "web", "--system-path", "/nix/var/nix/gcroots/berth-testhost/plain"])
        .args(["--host-address", "10.98.0.1", "--local-address", "10.98.0.2"])
        .ok();
    for name in [container.as_str(), "web"] {
        host.write_file(&format!("/var/lib/nixos-containers/{name}.nspawn"), SETTINGS, 0o644);
        host.command("systemctl").args(["restart", &format!("container@{name}.service")]).ok();
    }
    let inside = |name: &str| {
        let look =
            ["-q", "-M", name, "--pipe", "--wait", "--collect", "--", "grep", "NoNewPrivs", "/proc/1/status"];
        host.command("systemd-run").args(look).ok().stdout
    };
    assert_eq!(inside("web"), "NoNewPrivs:\t1\n");
    assert_eq!(inside(&container), "NoNewPrivs:\t0\n");

    let words = host
        .shell(&format!("tr '\\0' '\\n' </proc/$(systemctl show --value -p MainPID {})/cmdline", one.unit()))
        .ok()
        .stdout;
    for word in ["systemd-nspawn", "--settings=no", "--private-users=pick", "--private-network"] {
        assert!(words.lines().any(|line| line.ends_with(word)), "{word} is missing: {words}");
    }
}

#[test]
fn a_conf_that_says_anything_else_is_refused() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "boundary-conf");
    let container = one.container();
    let path = format!("/etc/nixos-containers/{container}.conf");
    let good = host.read_file(&path);
    let guard = || host.command("berth-guard").arg(&container).run();
    assert!(guard().is_success(), "the twin: as Berth wrote it, it passes");

    let address = one.address();
    let changed = [
        ("PRIVATE_NETWORK=1\n", "PRIVATE_NETWORK=0\n"),
        ("PRIVATE_NETWORK=1\n", ""),
        (&format!("LOCAL_ADDRESS={address}"), "LOCAL_ADDRESS=10.100.0.1"),
        ("HOST_ADDRESS=", "HOST_ADDRESS=1"),
        ("HOST_BRIDGE=\n", "HOST_BRIDGE=br0\n"),
        ("HOST_PORT=\n", "HOST_PORT=tcp:22\n"),
        ("COPY_RESOLV_CONF=0", "COPY_RESOLV_CONF=1"),
        ("PRIVATE_USERS=pick", "PRIVATE_USERS=no"),
        ("PRIVATE_USERS=pick", "PRIVATE_USERS=0"),
        ("SYSTEM_PATH=/nix/store/", "SYSTEM_PATH=/etc/"),
        ("SYSTEM_PATH=", "X="),
        ("AUTO_START=0", "AUTO_START=\""),
        ("--settings=no ", ""),
        ("--settings=no", "--settings=yes"),
        ("--private-users=pick", "--private-users=no"),
        ("--settings=no", "--settings=no --capability=all"),
        ("--settings=no", "--settings=no --bind=/"),
        ("--settings=no", "--settings=no --private-users=no"),
        ("--settings=no", "--settings=no --network-interface=wan0"),
        ("--settings=no", "--settings=no --system-call-filter=@raw-io"),
    ];
    let changed = changed.map(|(from, to)| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    });
    let added = [
        "INTERFACES=wan0",
        "MACVLANS=wan0",
        "NETWORK_NAMESPACE_PATH=/proc/1/ns/net",
        "LOCAL_MAC_ADDRESS=02:00:00:00:00:01",
        "HOST_ADDRESS6=fd00::1",
        "LOCAL_ADDRESS6=fd00::2",
        "LD_PRELOAD=/srv/evil.so",
        "BASH_ENV=/srv/evil.sh",
        "PATH=/srv",
        "root=/",
        "INSTANCE=web",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes",
        "PRIVATE_USERS=pick",
        " PRIVATE_USERS=no",
        "# a comment",
        "nonsense",
    ]
    .map(|line| format!("{good}{line}\n"));
    for text in changed.iter().chain(&added) {
        host.write_file(&path, text.as_str(), 0o644);
        let refused = guard();
        assert_eq!(refused.code(), Some(1), "{text}\n{refused}");
        assert!(refused.stderr.contains(&path), "{refused}");
    }
    // A file that others could have written, or no file.
    host.write_file(&path, good.as_str(), 0o666);
    assert!(guard().stderr.contains("only root can write"));
    host.shell(&format!("mv {path} /run/boundary-conf && ln -s /run/boundary-conf {path}")).ok();
    assert!(!guard().is_success());

    // And so the unit does not start, until it is right again.
    assert!(!host.command("systemctl").args(["restart", &one.unit()]).run().is_success());
    host.command("rm").args([&path, "/run/boundary-conf"]).ok();
    host.write_file(&path, good.as_str(), 0o644);
    one.command("start").ok();
    one.ssh("true").ok();
}

#[test]
fn a_container_that_fills_its_journal_disturbs_no_other() {
    let host = TestHost::shared();
    let noisy = Agent::create(&host, "boundary-noisy");
    let quiet = Agent::create(&host, "boundary-quiet");
    // To the console as well, which ends in the host's journal.
    noisy.run_as_root("systemd-run -q --unit=noise sh -c 'while :; do echo noise noise noise; echo noise >/dev/console; done'").ok();
    let list = json(&agent(&host, &["list", "--json"]).deadline(Duration::from_secs(30)).ok());
    let names: Vec<_> =
        list.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"boundary-noisy") && names.contains(&"boundary-quiet"), "{names:?}");
    quiet.ssh("true").ok();
    let logs = noisy.command("logs").args(["-n", "5"]).deadline(Duration::from_mins(1)).ok().stdout;
    assert!(logs.lines().count() >= 5, "{logs}");
    noisy.run_as_root("systemctl stop noise").ok();
    noisy.destroy();
}
