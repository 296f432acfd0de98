//! Files from the host have the right owner as seen inside, and nobody else
//! reads a secret on its way.
//!
//! Two ways for ids to get inside (mapped by the mount, changed on disk) times
//! two generations of the NixOS module times first and later preparation.

use std::collections::BTreeMap;

use berth_e2e::{Agent, BerthHost, TestHost, agent};

const SECRET: &str = "poison-1f7c";

const CREDENTIALS: &str = r#"
[[agent.credential]]
name = "of-agent"
source = "/etc/berth-secrets/one"
owner = "agent"
mode = "0400"

[[agent.credential]]
name = "of-root"
source = "/etc/berth-secrets/two"
owner = "root"
mode = "0600"
"#;

fn host(name: &str, ownership: &str) -> BerthHost {
    let host = BerthHost::configured(name, &format!("ownership = \"{ownership}\"\n{CREDENTIALS}"));
    for secret in ["one", "two"] {
        host.write_file(&format!("/etc/berth-secrets/{secret}"), format!("{SECRET}-{secret}"), 0o600);
    }
    host
}

/// Owner, group and mode inside of all that Berth put there.
fn inside(agent: &Agent) -> BTreeMap<String, String> {
    let listed =
        agent.run_as_root("cd /etc/berth && find . -mindepth 1 -printf '%P=%U %G %m\\n'").ok().stdout;
    listed
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(path, is)| (path.to_owned(), is.to_owned()))
        .collect()
}

fn expected() -> BTreeMap<String, String> {
    [
        ("hostname", "0 0 644"),
        ("ssh", "0 0 755"),
        ("ssh/authorized_keys", "0 0 644"),
        ("ssh/ssh_host_ed25519_key", "0 0 600"),
        ("ssh/ssh_host_ed25519_key.pub", "0 0 644"),
        ("credentials", "0 0 755"),
        ("credentials/of-agent", "1000 1000 400"),
        ("credentials/of-root", "0 0 600"),
    ]
    .map(|(path, is)| (path.to_owned(), is.to_owned()))
    .into()
}

/// Who owns the root on the host's disk.
fn on_disk(host: &TestHost, agent: &Agent) -> u32 {
    let owner = host.command("stat").args(["-c", "%u", &agent.root()]).ok().stdout;
    owner.trim_end().parse().expect("a user id")
}

/// What a start has to bring about, the first and every later one.
fn assert_prepared(agent: &Agent) {
    assert_eq!(inside(agent), expected());
    assert_eq!(agent.run("cat /etc/berth/credentials/of-agent").ok().stdout, format!("{SECRET}-one"));
    assert_eq!(agent.run_as_root("cat /etc/berth/credentials/of-root").ok().stdout, format!("{SECRET}-two"));
    let refused = agent.run("cat /etc/berth/credentials/of-root").run();
    assert!(!refused.is_success() && !refused.stdout.contains(SECRET), "{refused}");
    assert_eq!(agent.run("hostname").ok().stdout.trim_end(), agent.name());
    agent.ssh("true").ok();
}

fn files_are_owned_rightly(name: &str, ownership: &str, is_mapped: bool) {
    let host = host(name, ownership);
    for generation in ["new", "old"] {
        host.write_file("/etc/berth-testhost/module-generation", generation, 0o644);
        let agent = Agent::create(&host, &format!("{name}-{generation}"));
        assert_prepared(&agent);
        assert_eq!(on_disk(&host, &agent) == 0, is_mapped, "{generation}");
        agent.run("echo mine >~/work").ok();

        agent.command("stop").ok();
        agent.command("start").ok();
        assert_prepared(&agent);
        let work = agent.run("stat -c '%u %g' ~/work && cat ~/work").ok().stdout;
        assert_eq!(work, "1000 1000\nmine\n", "{generation}");
        agent.destroy();
    }
    host.assert_clean();
}

#[test]
fn files_are_owned_rightly_under_a_mapped_root() {
    files_are_owned_rightly("ownership-map", "map", true);
}

#[test]
fn files_are_owned_rightly_under_changed_ownership() {
    files_are_owned_rightly("ownership-chown", "chown", false);
}

#[test]
fn files_are_owned_rightly_where_the_choice_is_left_to_systemd() {
    let host = host("ownership-auto", "auto");
    let agent = Agent::create(&host, "ownership-auto");
    assert_prepared(&agent);
    assert_eq!(on_disk(&host, &agent), 0, "ext4 can map");
}

/// What a system call could open for others: a file made with bits for group
/// or others, or a mode that gives some. From a trace of `strace -f -y`.
fn exposures(trace: &str, is_secret: impl Fn(&str) -> bool) -> Vec<&str> {
    let calls = trace.lines().filter(|line| is_secret(line));
    calls.filter(|line| modes(line).any(|mode| mode & 0o077 != 0)).collect()
}

/// Every octal number in the arguments of a call that sets a mode.
fn modes(call: &str) -> impl Iterator<Item = u32> {
    let sets_mode = call.contains("O_CREAT") || call.contains("O_TMPFILE") || call.contains("chmod");
    let words = call.split(|c: char| !c.is_ascii_alphanumeric()).filter(move |_| sets_mode);
    words
        .filter(|word| word.len() > 1 && word.starts_with('0'))
        .filter_map(|word| u32::from_str_radix(word, 8).ok())
}

const TRACED: &str = "--trace=open,openat,openat2,creat,chmod,fchmod,fchmodat,mknod,mknodat,write,rename,renameat,renameat2,linkat";

/// Runs a command under strace and returns the calls that make, open or change
/// files: those of the program with all its threads, not of what it starts.
/// Nothing is taken away by the umask.
fn trace(host: &TestHost, words: &[&str]) -> String {
    let file = "/run/ownership.strace";
    let strace = ["strace", "-f", "-b", "execve", "-y", "-s", "200", "-o", file, TRACED];
    host.command("sh").args(["-c", r#"umask 000; exec "$@""#, "sh"]).args(strace).args(words).ok();
    let trace = host.read_file(file);
    host.command("rm").arg(file).ok();
    trace
}

#[test]
fn a_secret_is_never_readable_by_others_not_even_for_a_moment() {
    let host = host("ownership-secret", "auto");
    let agent = Agent::named(&host, "ownership-secret");
    let created = trace(&host, &["agent", "create", agent.name()]);
    agent.command("stop").ok();
    let started = trace(&host, &["agent", "start", agent.name()]);
    let is_secret = |line: &str| {
        line.contains("/credentials/")
            || line.contains("berth-new-of-")
            || line.contains("ssh_host_ed25519_key") && !line.contains(".pub")
    };
    for trace in &[created, started] {
        let writes = trace.lines().filter(|line| line.contains("write(") && line.contains(SECRET)).count();
        assert_eq!(writes, 2, "the trace shows both secrets being written:\n{trace}");
        assert!(
            trace.lines().any(|line| is_secret(line) && modes(line).any(|mode| mode == 0o400)),
            "{trace}"
        );
        assert_eq!(exposures(trace, is_secret), Vec::<&str>::new());
        // Nowhere else: each write of a secret goes to such a file.
        for line in trace.lines().filter(|line| line.contains("write(") && line.contains(SECRET)) {
            assert!(is_secret(line), "{line}");
        }
    }
    let others =
        agent.run("find /etc/berth/credentials /etc/berth/ssh/ssh_host_ed25519_key -type f -perm /077").ok();
    assert_eq!(others.stdout, "");
}

/// The twin: two usual ways to write a secret are seen.
#[test]
fn a_secret_that_is_readable_for_a_moment_is_seen_in_a_trace() {
    let host = TestHost::shared();
    for (made_with, changed_to) in [("0o644", "0o600"), ("0o600", "0o604")] {
        let write = format!(
            "import os; path = '/run/ownership-careless'; \
             os.write(os.open(path, os.O_CREAT | os.O_WRONLY, {made_with}), b'x'); \
             os.chmod(path, {changed_to}); os.unlink(path)"
        );
        let trace = trace(&host, &["python3", "-c", &write]);
        let exposures = exposures(&trace, |line| line.contains("ownership-careless"));
        assert_eq!(exposures.len(), 1, "{trace}");
    }
}

#[test]
fn a_user_of_the_host_sees_nothing_below_the_roots() {
    let host = host("ownership-users", "chown");
    let agent = Agent::create(&host, "ownership-users");
    let secret = format!("{}/etc/berth/credentials/of-agent", agent.root());
    // The twin: root does.
    assert!(host.read_file(&secret).contains(SECRET));
    for path in [
        secret.as_str(),
        "/etc/berth-secrets/one",
        "/var/lib/berth/keys/client_ed25519",
        "/var/lib/berth/state/berth.db",
    ] {
        let read = host.shell(&format!("cat {path}")).as_user("alice").run();
        assert!(!read.is_success() && read.stderr.contains("Permission denied"), "{path}: {read}");
    }
    for (folder, mode) in [
        ("/var/lib/nixos-containers", "0 700\n"),
        ("/var/lib/berth/state", "0 700\n"),
        ("/var/lib/berth/keys", "0 700\n"),
        ("/run/berth/known-hosts", "0 700\n"),
    ] {
        assert_eq!(host.command("stat").args(["-c", "%u %a", folder]).ok().stdout, mode, "{folder}");
    }
}

#[test]
fn no_secret_is_in_logs_events_or_the_records() {
    let host = host("ownership-poison", "auto");
    let created = Agent::create(&host, "ownership-poison");
    created.command("stop").ok();
    created.command("start").ok();
    let info = created.command("info").arg("--json").ok();
    let events = agent(&host, &["-vvv", "events", "--json"]).ok();
    for output in [&info, &events] {
        assert!(!format!("{}{}", output.stdout, output.stderr).contains(SECRET), "{output}");
    }
    let found = host.shell(&format!("grep -rlaF {SECRET} /var/lib/berth /run/berth /etc/nixos-containers /var/log /run/log /tmp; journalctl -q -b | grep -F {SECRET}")).run();
    assert_eq!(found.stdout, "", "{found}");
    // The twin: the search finds what is there.
    let found = host.shell(&format!("grep -rlaF {SECRET} /etc/berth-secrets")).ok();
    assert_eq!(found.stdout.lines().count(), 2);
}
