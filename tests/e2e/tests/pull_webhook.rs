//! Deliveries on their way from the internet into the records: through Caddy
//! to `preview-webhook`, its spool, and `berthd`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_e2e::double::Command;
use berth_e2e::{Files, JournalMark, PullHost, SharedPullHost, Value, WEBHOOK_SECRET, wait_until};

static HOST: SharedPullHost = SharedPullHost::booted_by(host);
/// They stop and start the same two programs: one test at a time.
static ORDER: Mutex<()> = Mutex::new(());

const WEBHOOK: &str = "preview-webhook.service";
const DAEMON: &str = "berthd.service";
const SPOOL: &str = "/var/lib/berth-webhook/spool";
const STATE: &str = "/var/lib/private/berth-webhook";
const SOON: Duration = Duration::from_mins(1);
const OLD_SECRET: &str = "the webhook secret of last month";
const DELIVER: &str = include_str!("programs/deliver.py");
const PLANT: &str = include_str!("programs/plant_in_spool.sh");
const OPENED: &str = include_str!("../../../crates/core/src/delivery/fixtures/pull_request.opened.json");
const PING: &str = include_str!("../../../crates/core/src/delivery/fixtures/ping.json");

fn host() -> PullHost {
    let host = PullHost::boot("webhook");
    let ready = json(&[("method", "HEAD"), ("path", "/")]);
    wait_until(SOON, "Caddy has a certificate", || run(&host, std::slice::from_ref(&ready)).is_some());
    host
}

fn in_order() -> MutexGuard<'static, ()> {
    ORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(pairs: &[(&str, &str)]) -> Value {
    let mut value: Value = pairs.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect();
    value["secret"] = WEBHOOK_SECRET.into();
    value
}

/// A delivery with this id of a pull request that gets no preview: it is of
/// another account.
fn opened(id: u32) -> Value {
    json(&[("body", &body()), ("id", &uuid(id))])
}

fn body() -> String {
    OPENED.replace("Acme/Site", "others/site")
}

fn uuid(id: u32) -> String {
    format!("00000000-0000-4000-8000-{id:012}")
}

/// Another delivery like this one.
fn but(mut one: Value, key: &str, value: impl Into<Value>) -> Value {
    one[key] = value.into();
    one
}

fn run(host: &PullHost, deliveries: &[Value]) -> Option<Vec<String>> {
    let told = host.command("python3").args(["-c", DELIVER]).stdin(Value::from(deliveries).to_string()).run();
    told.is_success().then(|| told.stdout.lines().map(str::to_owned).collect())
}

/// Sends them one after the other through Caddy, and tells the answers.
#[track_caller]
fn send(host: &PullHost, deliveries: &[Value]) -> Vec<String> {
    run(host, deliveries).expect("answers")
}

fn systemctl(host: &PullHost, words: &[&str]) {
    host.command("systemctl").args(words).ok();
}

/// Changes settings of the webhook until [`unset`].
fn set(host: &PullHost, settings: &str) {
    let folder = format!("/run/systemd/system/{WEBHOOK}.d");
    host.command("mkdir").args(["-p", &folder]).ok();
    host.write_file(&format!("{folder}/test.conf"), format!("[Service]\n{settings}\n"), 0o644);
    systemctl(host, &["daemon-reload"]);
    systemctl(host, &["restart", WEBHOOK]);
}

fn unset(host: &PullHost) {
    host.command("rm").args(["-r", &format!("/run/systemd/system/{WEBHOOK}.d")]).ok();
    systemctl(host, &["daemon-reload"]);
    systemctl(host, &["restart", WEBHOOK]);
}

/// The webhook with more options.
fn with_options(options: &str) -> String {
    format!("ExecStart=\nExecStart=/usr/bin/preview-webhook --spool {SPOOL} {options}")
}

/// Waits until `berthd` has taken everything that can be taken.
fn is_taken(host: &PullHost) {
    wait_until(SOON, "the spool is empty", || host.spool().is_empty());
}

#[test]
fn after_a_202_the_delivery_is_in_the_spool_until_berthd_has_recorded_it() {
    let (host, _turn) = (HOST.get(), in_order());
    systemctl(&host, &["stop", DAEMON]);
    assert_eq!(send(&host, &[opened(100), but(opened(101), "form", true)]), ["202", "202"]);
    let names = host.spool();
    assert_eq!(names.len(), 2, "{names:?}");
    let stored = host.read_file(&format!("{SPOOL}/{}", names[0]));
    let (envelope, body) = stored.split_once('\n').expect("an envelope");
    assert!(envelope.contains(&uuid(100)) && body == self::body(), "{stored}");
    // A power cut has no time to write; neither has a kill.
    host.command("systemctl").args(["kill", "-s", "KILL", WEBHOOK]).ok();
    assert_eq!(host.spool(), names);
    let mark = JournalMark::now(&host);
    systemctl(&host, &["start", DAEMON]);
    is_taken(&host);
    let told = mark.messages_of(DAEMON);
    for id in [100, 101] {
        assert!(told.lines().any(|line| line.contains("\"taken\"") && line.contains(&uuid(id))), "{told}");
    }
}

#[test]
fn what_is_no_delivery_is_refused_with_its_status_and_not_stored() {
    let (host, _turn) = (HOST.get(), in_order());
    systemctl(&host, &["stop", DAEMON]);
    let header = |name: &str, value: Value| {
        let headers: Value = [(name.to_owned(), value)].into_iter().collect();
        but(opened(200), "headers", headers)
    };
    let cases = [
        but(opened(200), "secret", "another secret of the same form"),
        header("x-hub-signature-256", Value::Null),
        header("x-hub-signature-256", "sha256=00".into()),
        but(opened(200), "body", "{\"action\": \"opened\""),
        header("x-github-delivery", Value::Null),
        header("x-github-delivery", "../../etc/cron.d/x".into()),
        header("content-type", "text/plain".into()),
        but(opened(200), "spaces", 25 << 20),
        json(&[("event", "ping"), ("body", PING)]),
        json(&[("event", "star"), ("body", "{\"action\": \"created\"}")]),
        json(&[("method", "GET")]),
        json(&[("path", "/metrics")]),
        json(&[("path", "/webhook/github/")]),
    ];
    let answers = send(&host, &cases);
    assert_eq!(host.spool(), [""; 0]);
    insta::assert_snapshot!(answers.join("\n"), @r"
    401 bad signature
    401 bad signature
    401 bad signature
    400 malformed payload
    400 bad header
    400 bad header
    415 unsupported content type
    413 body too large
    204
    204
    405
    404
    404
    ");
    systemctl(&host, &["start", DAEMON]);
}

#[test]
fn while_the_secret_is_replaced_both_are_good_for_both_programs() {
    let (host, _turn) = (HOST.get(), in_order());
    let configuration = host.read_file("/etc/berth/berth.toml");
    host.write_file("/etc/berth/secrets/webhook-old", OLD_SECRET, 0o600);
    let previous = "webhook_secret_previous = \"/etc/berth/secrets/webhook-old\"\n[daemon]";
    host.write_file("/etc/berth/berth.toml", configuration.replace("[daemon]", previous), 0o644);
    systemctl(&host, &["restart", DAEMON]);
    set(&host, "LoadCredential=webhook-secret-previous:/etc/berth/secrets/webhook-old");
    let mark = JournalMark::now(&host);
    let old = but(opened(300), "secret", OLD_SECRET);
    assert_eq!(send(&host, &[old.clone(), opened(301)]), ["202", "202"]);
    is_taken(&host);
    let told = mark.messages_of(DAEMON);
    assert_eq!(told.matches("\"taken\"").count(), 2, "{told}");
    unset(&host);
    assert_eq!(send(&host, &[old, opened(302)]), ["401 bad signature", "202"]);
    host.write_file("/etc/berth/berth.toml", configuration, 0o644);
    systemctl(&host, &["restart", DAEMON]);
    is_taken(&host);
}

#[test]
fn a_full_spool_refuses_and_a_redelivery_comes_through_later() {
    let (host, _turn) = (HOST.get(), in_order());
    systemctl(&host, &["stop", DAEMON]);
    set(&host, &with_options("--max-files 2"));
    let github = host.github();
    let repo = github.repository("others/site", &Files::default());
    for branch in ["a", "b", "c"] {
        github.push(&repo, branch, &[("x", branch)]);
        github.open(&repo, branch);
    }
    github.run(&Command::Settle {});
    let deliveries = || github.run(&Command::Deliveries {}).as_array().expect("a list").clone();
    let answers = || deliveries().iter().map(|one| one["answers"].to_string()).collect::<Vec<_>>();
    assert_eq!(answers(), ["[202]", "[202]", "[503]"]);
    let ready = || host.command("curl").args(["-sS", "http://127.0.0.1:9000/readyz"]).ok().stdout;
    assert_eq!(ready(), "no room");
    systemctl(&host, &["start", DAEMON]);
    is_taken(&host);
    wait_until(SOON, "there is room", || ready() == "ready");
    let id = deliveries()[2]["id"].as_str().expect("an id").to_owned();
    github.run(&Command::Redeliver { id: id.clone() });
    github.run(&Command::Settle {});
    assert_eq!(answers(), ["[202]", "[202]", "[503,202]"]);
    let is_its = |told: &str| told.lines().any(|line| line.contains("\"taken\"") && line.contains(&id));
    wait_until(SOON, "berthd has taken it", || {
        is_its(&host.command("journalctl").args(["-q", "-o", "cat", "-u", DAEMON]).ok().stdout)
    });
    unset(&host);
}

#[test]
fn who_sends_too_slowly_or_too_often_is_told_so() {
    let (host, _turn) = (HOST.get(), in_order());
    set(&host, &with_options("--body-timeout 1 --rate 3"));
    let slow = but(opened(400), "pause", 3);
    assert_eq!(send(&host, &[slow]), ["408 body too slow"]);
    let many = send(&host, &vec![json(&[("event", "ping"), ("body", PING)]); 12]);
    assert!(many.contains(&"429 too many requests".to_owned()), "{many:?}");
    // By address: others are not kept waiting.
    let ours = host.command("curl").args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]);
    let ours = ours.args(["-H", "X-Forwarded-For: 192.0.2.7", "http://127.0.0.1:9000/webhook/github"]);
    assert_eq!(ours.ok().stdout, "415");
    unset(&host);
}

#[test]
fn a_full_disk_refuses_and_leaves_nothing_half_written() {
    let (host, _turn) = (HOST.get(), in_order());
    is_taken(&host);
    for unit in [DAEMON, WEBHOOK] {
        systemctl(&host, &["stop", unit]);
    }
    host.command("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs", STATE]).ok();
    systemctl(&host, &["start", WEBHOOK]);
    let large = but(opened(500), "spaces", 1 << 20);
    let answers = send(&host, &[opened(501), large, opened(502)]);
    assert_eq!(answers, ["202", "503 no room", "202"]);
    let found = host.command("ls").args(["-A", SPOOL]).ok().stdout;
    assert_eq!(found.lines().count(), 2, "{found}");
    systemctl(&host, &["start", DAEMON]);
    is_taken(&host);
    for unit in [DAEMON, WEBHOOK] {
        systemctl(&host, &["stop", unit]);
    }
    host.command("umount").arg(STATE).ok();
    for unit in [WEBHOOK, DAEMON] {
        systemctl(&host, &["start", unit]);
    }
}

#[test]
fn of_a_hostile_spool_only_the_deliveries_are_taken() {
    let (host, _turn) = (HOST.get(), in_order());
    is_taken(&host);
    systemctl(&host, &["stop", DAEMON]);
    assert_eq!(send(&host, &[opened(600)]), ["202"]);
    let of_root = "/var/lib/important";
    let untouched = hostile(&host, SPOOL, of_root);
    insta::assert_snapshot!(untouched, @r"
    00000000000a: the file cannot be read: Too many levels of symbolic links (os error 40)
    00000000000b: the file is another user's
    00000000000c: the file is no regular file
    00000000000d: the file is no regular file
    00000000000e: the file is too large
    00000000000f: the file has the name of another delivery than its content
    00000000001a: the file cannot be read: No such device or address (os error 6)
    00000000001b: the file is no regular file
    00000000001c: the file has no first line of at most 1024 bytes
    00000000001d: the file is another user's
    00000000001f: the file is reached under several names
    0000feedbeef: its signature is not that of the secret
    ");

    // From another file system, what can be read is copied.
    insta::assert_snapshot!(put_aside(&host), @r"
    f 00000000000f
    f 00000000001c
    f 0000feedbeef
    ");
    host.shell(&format!("rm -r {REJECTED}")).ok();

    // Where both folders are on one file system, it is put aside.
    systemctl(&host, &["stop", DAEMON]);
    assert_eq!(send(&host, &[opened(601)]), ["202"]);
    let near = "/var/lib/berth/spool";
    host.shell(&format!("install -d -o nobody {near} && cp {SPOOL}/*601.delivery {near} && rm {SPOOL}/*601.delivery && chown nobody {near}/*")).ok();
    let configuration = host.read_file("/etc/berth/berth.toml");
    let elsewhere = configuration.replace("[daemon]", &format!("[daemon]\nspool = \"{near}\""));
    host.write_file("/etc/berth/berth.toml", elsewhere, 0o644);
    assert_eq!(hostile(&host, near, "/var/lib/berth/important"), untouched);
    insta::assert_snapshot!(put_aside(&host), @r"
    f 00000000000b
    f 00000000000e
    f 00000000000f
    f 00000000001c
    f 00000000001d
    f 00000000001f
    f 0000feedbeef
    l 00000000000a
    p 00000000000c
    s 00000000001a
    ");

    host.shell(&format!(
        "for i in $(seq 100 350); do : >{near}/00000000000000000$i-x.delivery; done && chown nobody {near}/*"
    ))
    .ok();
    wait_until(SOON, "they are put aside", || {
        !host.command("ls").arg(near).ok().stdout.contains("-x.delivery")
    });
    let kept = host.command("ls").args(["-A", REJECTED]).ok().stdout.lines().count();
    assert!((50..=100).contains(&kept), "{kept} are kept");
    host.write_file("/etc/berth/berth.toml", configuration, 0o644);
    systemctl(&host, &["restart", DAEMON]);
    host.shell(&format!("rm -rf {near} /var/lib/berth/important; find {SPOOL} -mindepth 1 -delete")).ok();
}

const REJECTED: &str = "/var/lib/berth/rejected";

/// What was put aside, each with its type and the end of its name.
fn put_aside(host: &PullHost) -> String {
    let arguments = [REJECTED, "-mindepth", "1", "-maxdepth", "1", "-printf", "%y %f\n"];
    let found = host.command("find").args(arguments).ok().stdout;
    let id = |line: &str| {
        format!("{} {}", &line[..1], line.trim_end_matches(".delivery").rsplit('-').next().unwrap_or(""))
    };
    let mut aside: Vec<String> = found.lines().map(id).collect();
    aside.sort_unstable();
    aside.join("\n")
}

/// Makes a spool hostile while `berthd` does not run, starts it, waits until it
/// has been through, and tells why it put aside what. Files of root are as
/// they were, and what was good is taken.
#[track_caller]
fn hostile(host: &PullHost, spool: &str, of_root: &str) -> String {
    host.write_file(of_root, "of root", 0o600);
    let state = || {
        host.shell(&format!(
            "sha256sum /etc/shadow {of_root}; stat -c '%a %u %g %s %Y' /etc/shadow {of_root}"
        ))
        .ok()
        .stdout
    };
    let before = state();
    host.command("bash").args(["-c", PLANT, "plant", spool, of_root]).ok();
    let mark = JournalMark::now(host);
    systemctl(host, &["start", DAEMON]);
    wait_until(SOON, "berthd has been through", || {
        let left = host.command("ls").args(["-Ab", spool]).ok().stdout;
        !left.lines().any(|name| name.starts_with("0000") || name.starts_with("0999"))
    });
    let left = host.command("ls").args(["-Ab", spool]).ok().stdout;
    // Names of no delivery are nobody's, and the folder that is not empty.
    assert_eq!(left.split_whitespace().count(), 8, "{left}");
    assert_eq!(state(), before);
    let told = mark.messages_of(DAEMON);
    assert_eq!(told.matches("\"taken\"").count(), 1, "{told}");
    assert!(!told.contains("no delivery can be taken"), "{told}");
    let field = |line: &str, key: &str| {
        let rest = line.split_once(&format!("\"{key}\":\"")).map(|(_, rest)| rest).unwrap_or_default();
        rest.split_once('"').map(|(value, _)| value.to_owned()).unwrap_or_default()
    };
    let aside = told.lines().filter(|line| line.contains("put aside"));
    let mut aside: Vec<String> = aside
        .map(|line| {
            let file = field(line, "file");
            let id = file.trim_end_matches(".delivery").rsplit('-').next().unwrap_or_default().to_owned();
            format!("{id}: {}", field(line, "reason"))
        })
        .collect();
    aside.sort();
    aside.join("\n")
}
