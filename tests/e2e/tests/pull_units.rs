//! What `preview-webhook` and `berthd` may do as they run, and how systemd
//! keeps them running.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_e2e::double::{Command, FaultKind};
use berth_e2e::{Files, PullHost, SharedPullHost, Signal, wait_until};

static HOST: SharedPullHost = SharedPullHost::booted_by(|| PullHost::boot("units"));
/// They stop and start the same two programs: one test at a time.
static ORDER: Mutex<()> = Mutex::new(());

const WEBHOOK: &str = "preview-webhook.service";
const DAEMON: &str = "berthd.service";
const SOON: Duration = Duration::from_mins(1);
const WHAT_IT_MAY: &str = include_str!("programs/what_it_may.sh");

/// The capabilities that `berthd` keeps, by their numbers: `CAP_CHOWN` to
/// `CAP_LINUX_IMMUTABLE`, `NET_ADMIN`, `SYS_CHROOT`, `SYS_PTRACE`, `SYS_ADMIN`.
const KEPT: [u32; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 18, 19, 21];

fn in_order() -> MutexGuard<'static, ()> {
    ORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What units are asked and told.
trait Units {
    fn property(&self, unit: &str, name: &str) -> String;
    fn process(&self, unit: &str) -> u32;
    fn statuses(&self, unit: &str) -> Vec<(String, String)>;
    fn set(&self, unit: &str, settings: &str);
    fn unset(&self, unit: &str);
    fn systemctl(&self, words: &[&str]);
}

impl Units for PullHost {
    fn property(&self, unit: &str, name: &str) -> String {
        self.command("systemctl").args(["show", "-P", name, unit]).ok().stdout.trim().to_owned()
    }

    /// Its main process; 0 when there is none.
    fn process(&self, unit: &str) -> u32 {
        self.property(unit, "MainPID").parse().expect("a number")
    }

    /// What the kernel says of its main process.
    fn statuses(&self, unit: &str) -> Vec<(String, String)> {
        let status = self.read_file(&format!("/proc/{}/status", self.process(unit)));
        status
            .lines()
            .filter_map(|line| line.split_once(":\t"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// Changes settings of its section `[Service]` until [`Units::unset`].
    fn set(&self, unit: &str, settings: &str) {
        let folder = format!("/run/systemd/system/{unit}.d");
        self.command("mkdir").args(["-p", &folder]).ok();
        self.write_file(&format!("{folder}/test.conf"), format!("[Service]\n{settings}\n"), 0o644);
        self.systemctl(&["daemon-reload"]);
        self.systemctl(&["restart", unit]);
    }

    fn unset(&self, unit: &str) {
        self.command("rm").args(["-r", &format!("/run/systemd/system/{unit}.d")]).ok();
        self.systemctl(&["daemon-reload"]);
        self.systemctl(&["restart", unit]);
    }

    fn systemctl(&self, words: &[&str]) {
        self.command("systemctl").args(words).ok();
    }
}

fn value<'a>(statuses: &'a [(String, String)], key: &str) -> &'a str {
    statuses.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str()).expect("a line of /proc")
}

/// Capabilities as the kernel prints them.
fn mask(capabilities: &[u32]) -> String {
    let mask = capabilities.iter().fold(0_u64, |mask, number| mask | 1 << number);
    format!("{mask:016x}")
}

/// What may be done in a unit like this one, which is not changed but in what
/// it runs and how it is started.
fn what_may(host: &PullHost, unit: &str) -> String {
    let is_of_a_service = |line: &&str| {
        !["Sockets=", "Restart=", "WatchdogSec=", "Requires="].iter().any(|key| line.starts_with(key))
    };
    let text = host.read_file(&format!("/etc/systemd/system/{unit}"));
    let probe: String = text
        .lines()
        .filter(is_of_a_service)
        .map(|line| match line.split_once('=') {
            Some(("Type", _)) => "Type=oneshot\n".to_owned(),
            Some(("ExecStart", _)) => {
                "ExecStart=bash /usr/local/lib/what_it_may.sh\nStandardOutput=file:/run/what-it-may\n"
                    .to_owned()
            }
            _ => format!("{line}\n"),
        })
        .collect();
    host.write_file("/run/systemd/system/probe.service", probe, 0o644);
    host.write_file("/usr/local/lib/what_it_may.sh", WHAT_IT_MAY, 0o644);
    host.systemctl(&["daemon-reload"]);
    host.systemctl(&["start", "probe.service"]);
    let told = host.read_file("/run/what-it-may");
    host.shell("rm /run/what-it-may /run/systemd/system/probe.service && systemctl daemon-reload").ok();
    told
}

#[test]
fn the_webhook_may_read_its_secret_write_its_spool_and_nothing_else() {
    let (host, _turn) = (HOST.get(), in_order());
    let holder =
        ["--unit=of-another", "-p", "LoadCredential=secret:/etc/berth/secrets/app.pem", "sleep", "infinity"];
    host.command("systemd-run").args(holder).ok();
    wait_until(SOON, "another service has a credential", || {
        host.exists("/run/credentials/of-another.service/secret")
    });
    // The twin: all of it can be done, and is seen when it is.
    let all = host.command("bash").args(["-c", WHAT_IT_MAY]).ok().stdout;
    let all: Vec<&str> = all.lines().filter(|line| line.starts_with("may")).collect();
    insta::assert_snapshot!(all.join("\n"), @r"
    may read the records
    may read the key of the App
    may read another service's credential
    may connect to the internet
    may connect to this host
    may ask berthd
    may ask the system's bus
    may ask PostgreSQL
    may ask Nix
    may see other processes
    may signal other processes
    may make a namespace
    may mount
    may make a set-id program
    may read its secret
    ");
    // Message queues are those of a namespace of its own; the sockets are the
    // journal's, that for READY=1, and systemd's lists of users.
    insta::assert_snapshot!(what_may(&host, WEBHOOK), @r"
    may read its secret
    writes /dev/mqueue
    writes /var/lib/private/berth-webhook
    writes /var/lib/private/berth-webhook/spool
    speaks to /run/systemd
    speaks to /run/systemd/journal
    speaks to /run/systemd/userdb
    ");
    host.systemctl(&["stop", "of-another.service"]);
}

#[test]
fn the_webhook_runs_as_a_user_of_its_own_without_capabilities() {
    let (host, _turn) = (HOST.get(), in_order());
    let statuses = host.statuses(WEBHOOK);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(value(&statuses, set), mask(&[]), "{set}");
    }
    assert_eq!((value(&statuses, "NoNewPrivs"), value(&statuses, "Seccomp")), ("1", "2"));
    let users: Vec<u32> = value(&statuses, "Uid").split('\t').map(|id| id.parse().expect("an id")).collect();
    assert!(users.iter().all(|user| (61184..=65519).contains(user)), "no dynamic user: {users:?}");
    let network = |process: &str| host.command("readlink").arg(format!("/proc/{process}/ns/net")).ok().stdout;
    assert_ne!(network(&host.process(WEBHOOK).to_string()), network("1"));
}

#[test]
fn berthd_and_what_it_starts_have_the_capabilities_that_it_keeps_and_no_other() {
    let (host, _turn) = (HOST.get(), in_order());
    // A tool that it calls, which tells what it has.
    host.shell("mv /usr/sbin/nft /usr/sbin/nft.real && cat >/usr/sbin/nft && chmod 755 /usr/sbin/nft")
        .stdin("#!/bin/sh\ngrep -E '^(Cap|NoNewPrivs)' /proc/self/status >/run/child\nexec nft.real \"$@\"\n")
        .ok();
    // Once kept down by its unit, once by itself.
    for settings in ["", "CapabilityBoundingSet=~\n"] {
        host.command("rm").args(["-f", "/run/child"]).ok();
        host.set(DAEMON, settings);
        let statuses = host.statuses(DAEMON);
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(value(&statuses, set), mask(&KEPT), "{set}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(value(&statuses, set), mask(&[]), "{set}");
        }
        wait_until(SOON, "it starts a tool", || host.exists("/run/child"));
        wait_until(SOON, "the tool has told", || host.read_file("/run/child").contains("NoNewPrivs:\t1"));
        let child = host.read_file("/run/child");
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert!(child.contains(&format!("{set}:\t{}", mask(&KEPT))), "{child}");
        }
    }
    host.unset(DAEMON);
    host.shell("mv /usr/sbin/nft.real /usr/sbin/nft").ok();
}

#[test]
fn the_exposure_of_both_is_what_was_measured() {
    let (host, _turn) = (HOST.get(), in_order());
    // In tenths, as `systemd-analyze security` counts.
    for (unit, most) in [(WEBHOOK, 2), (DAEMON, 41)] {
        let judged = |most: u32| {
            let threshold = format!("--threshold={most}");
            host.command("systemd-analyze").args(["security", "--no-pager", &threshold, unit]).run()
        };
        let output = judged(most);
        assert!(output.is_success(), "{output}");
        assert!(!judged(most - 1).is_success(), "`{unit}` is better now: lower the bound");
    }
}

#[test]
fn the_first_request_starts_the_webhook() {
    let (host, _turn) = (HOST.get(), in_order());
    for (socket, path) in [(None, "healthz"), (Some("/run/berth-webhook.metrics.sock"), "metrics")] {
        host.systemctl(&["stop", WEBHOOK]);
        assert_eq!(host.property(WEBHOOK, "ActiveState"), "inactive");
        let answer = get(&host, socket, 9000, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(host.property(WEBHOOK, "ActiveState"), "active");
    }
}

/// Asks a port of the host, or a unix socket.
fn get(host: &PullHost, socket: Option<&str>, port: u16, path: &str) -> String {
    let url = format!("http://127.0.0.1:{port}/{path}");
    let through = socket.map(|socket| ["--unix-socket", socket]);
    let asked = host.command("curl").args(["-sSi", "--max-time", "20"]);
    asked.args(through.into_iter().flatten()).arg(url).ok().stdout
}

#[test]
fn whoever_is_killed_twenty_times_in_a_row_is_back() {
    let (host, _turn) = (HOST.get(), in_order());
    // The same without a pause, which only makes more starts in a second.
    for unit in [WEBHOOK, DAEMON] {
        host.set(unit, "RestartSec=1ms");
    }
    std::thread::scope(|scope| {
        for unit in [WEBHOOK, DAEMON] {
            scope.spawn(|| kill(&host, unit, 20));
        }
    });
    for unit in [WEBHOOK, DAEMON] {
        assert_eq!(host.property(unit, "NRestarts"), "20", "{unit}");
        assert_eq!(host.property(unit, "ActiveState"), "active", "{unit}");
        host.unset(unit);
    }
    assert!(get(&host, None, 9000, "readyz").ends_with("\r\n\r\nready"));
    assert_eq!(host.jobs(&[]).as_array(), Some(&vec![]), "berthd answers");
}

/// Kills it so many times, each time as soon as it is there again.
fn kill(host: &PullHost, unit: &str, times: usize) {
    for _ in 0..times {
        let process = host.process(unit);
        host.command("kill").args(["-KILL", &process.to_string()]).ok();
        wait_until(SOON, &format!("{unit} is back"), || ![0, process].contains(&host.process(unit)));
    }
    wait_until(SOON, &format!("{unit} is ready"), || host.property(unit, "ActiveState") == "active");
}

#[test]
fn a_program_that_stands_still_is_started_again() {
    let (host, _turn) = (HOST.get(), in_order());
    let stopped = [WEBHOOK, DAEMON].map(|unit| {
        host.set(unit, "WatchdogSec=1s");
        let process = host.process(unit);
        host.command("kill").args([&format!("-{}", Signal::STOP.as_raw()), &process.to_string()]).ok();
        (unit, process)
    });
    for (unit, before) in stopped {
        wait_until(SOON, &format!("{unit} is started again"), || {
            ![0, before].contains(&host.process(unit)) && host.property(unit, "ActiveState") == "active"
        });
        let log = host.command("journalctl").args(["-q", "-o", "cat", "-u", unit]).ok().stdout;
        assert!(log.contains("Watchdog timeout"), "{log}");
        host.unset(unit);
    }
}

#[test]
fn systemd_is_told_what_berthd_does() {
    let (host, _turn) = (HOST.get(), in_order());
    // Who is watched tells often.
    host.set(DAEMON, "WatchdogSec=3s");
    let status = |host: &PullHost| host.property(DAEMON, "StatusText");
    wait_until(SOON, "it tells of nothing", || status(&host) == "pull requests at work: 0");
    let github = host.github();
    let repo = github.repository("acme/slow", &Files::default());
    let kind = FaultKind::Slow(4000);
    github.run(&Command::Fault { method: None, path: "/repos/acme/slow".to_owned(), times: 1, kind });
    github.push(&repo, "fix", &[("a", "b")]);
    let pull = github.open(&repo, "fix");
    wait_until(SOON, "it tells of one", || status(&host) == "pull requests at work: 1");
    pull.close();
    host.unset(DAEMON);
    host.rests();
}

#[test]
fn prometheus_can_read_both_and_sees_a_delivery() {
    let (host, _turn) = (HOST.get(), in_order());
    let [webhook, daemon] = ["/run/berth-webhook.metrics.sock", "/run/berth/metrics.sock"];
    let before = [metric(&host, webhook, STORED), metric(&host, daemon, TAKEN)];
    let github = host.github();
    // Of an account that gets no previews.
    let repo = github.repository("others/site", &Files::default());
    github.push(&repo, "fix", &[("a", "b")]);
    github.open(&repo, "fix");
    wait_until(SOON, "both have counted it", || {
        [metric(&host, webhook, STORED), metric(&host, daemon, TAKEN)] == before.map(|count| count + 1)
    });
}

const STORED: &str = "preview_webhook_deliveries_total{status=\"202\"}";
const TAKEN: &str = "berthd_deliveries_total{outcome=\"taken\"}";

/// The value of a counter behind a socket, in the text format that Prometheus
/// asks for.
fn metric(host: &PullHost, socket: &str, name: &str) -> u64 {
    let answer = get(host, Some(socket), 80, "metrics");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(head.contains(kind), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    let value = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a number"))
}

#[test]
fn health_and_readiness_are_told_on_the_port_of_deliveries() {
    let (host, _turn) = (HOST.get(), in_order());
    for (path, body) in [("healthz", "ok"), ("readyz", "ready")] {
        let answer = get(&host, None, 9000, path);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&format!("\r\n\r\n{body}")),
            "{answer}"
        );
    }
    let answer = get(&host, None, 9000, "metrics");
    assert!(answer.starts_with("HTTP/1.1 404"), "metrics are not for those who deliver: {answer}");
}
