//! Errors: the exit code tells the kind, stderr tells all of it, stdout stays
//! empty, and what was begun is taken back.

use std::time::Duration;

use berth_e2e::text::{without_durations, without_hashes, without_pids, without_slow_steps};
use berth_e2e::{Agent, BerthHost, Output, TestHost, agent, sql, state_of, wait_until};

/// The exit code and all of stderr.
#[track_caller]
fn told(failed: &Output) -> String {
    assert!(!failed.is_success(), "{failed}");
    assert_eq!(failed.stdout, "", "an error is no result");
    let code = failed.code().map_or_else(|| "no code".to_owned(), |code| code.to_string());
    format!("exit {code}\n{}", failed.stderr)
}

/// The same of something that a container or Nix said too.
#[track_caller]
fn told_stable(failed: &Output) -> String {
    without_slow_steps(&without_pids(&without_durations(&without_hashes(&told(failed)))))
}

#[test]
fn who_is_not_root_is_told_how_to_become_it() {
    let host = TestHost::shared();
    for command in [&["list"][..], &["create", "errors-x"], &["destroy", "errors-x"], &["doctor"]] {
        let refused = host.command("agent").args(command).as_user("alice").run();
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert!(refused.stderr.contains(&format!("try `sudo agent {}`", command[0])), "{refused}");
    }
    insta::assert_snapshot!(told(&host.command("agent").arg("list").as_user("alice").run()));
}

#[test]
fn a_command_line_that_cannot_be_understood_is_refused() {
    let host = TestHost::shared();
    let mut all = String::new();
    for words in [
        &[][..],
        &["frobnicate"],
        &["create"],
        &["create", "errors-x", "--ttl", "soon"],
        &["create", "errors-x", "--memory", "lots"],
        &["create", "errors-x", "--cpus", "0"],
        &["list", "--jsn"],
        &["destroy"],
        &["destroy", "--all", "errors-x"],
        &["run", "errors-x"],
    ] {
        let refused = agent(&host, words).run();
        assert_eq!(refused.code(), Some(2), "{refused}");
        all += &format!("--- agent {}\n{}", words.join(" "), told(&refused));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn an_agent_that_is_not_there_is_not_found_by_any_command() {
    let host = TestHost::shared();
    for words in [
        &["info", "errors-nobody"][..],
        &["info", "errors-nobody", "--json"],
        &["logs", "errors-nobody"],
        &["stop", "errors-nobody"],
        &["start", "errors-nobody"],
        &["ssh", "errors-nobody", "--", "true"],
        &["run", "errors-nobody", "--", "true"],
    ] {
        let refused = agent(&host, words).run();
        assert_eq!(
            told(&refused),
            "exit 3\nerror: there is no agent `errors-nobody`; see `agent list`\n",
            "{words:?}"
        );
    }
}

#[test]
fn a_name_that_is_taken_is_refused_and_its_agent_stays_as_it_is() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "errors-taken");
    let before = one.info();
    insta::assert_snapshot!(told(&one.command("create").run()));
    insta::assert_snapshot!(told(&one.command("create").arg("--json").run()));
    assert_eq!(one.info(), before);
    one.destroy();
}

#[test]
fn commands_that_need_a_running_agent_say_how_to_get_one() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "errors-stopped");
    one.command("stop").ok();
    let all: String = [one.ssh("true").run(), one.run("true").run()].iter().map(told).collect();
    insta::assert_snapshot!(all);
}

#[test]
fn a_missing_tool_is_named_and_nothing_stays() {
    let host = BerthHost::boot("e2e-no-tool");
    agent(&host, &["build"]).ok();
    host.shell("mv /usr/bin/nixos-container /usr/bin/hidden").ok();
    insta::assert_snapshot!(told_stable(&agent(&host, &["create", "x"]).run()));
    host.shell("mv /usr/bin/hidden /usr/bin/nixos-container").ok();
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    host.assert_clean();

    host.shell("mv /usr/sbin/nft /usr/sbin/hidden").ok();
    insta::assert_snapshot!(told_stable(&agent(&host, &["create", "x"]).run()));
    host.shell("mv /usr/sbin/hidden /usr/sbin/nft").ok();
    assert_eq!(state_of(&host, "x"), "destroying", "what may be there keeps its berth");
    agent(&host, &["doctor", "--fix"]).ok();
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    host.assert_clean();
}

#[test]
fn a_full_subnet_is_told_with_the_way_out() {
    let host = BerthHost::configured("e2e-full", "subnet = \"10.100.0.0/24\"\n");
    agent(&host, &["build"]).ok();
    sql(
        &host,
        "WITH RECURSIVE slots(slot) AS (SELECT 1 UNION ALL SELECT slot + 1 FROM slots WHERE slot < 127)
         INSERT INTO berths (kind, slot, name, phase, wanted, closure_id, memory, cpus, tasks, health,
                             failed_units, created_by, created_at)
         SELECT 'agent', slot, 'full-' || slot, 'stopped', 'stopped', (SELECT id FROM closures), '4G', '2',
                '4096', 'unknown', '[]', 'root', 0 FROM slots",
    );
    insta::assert_snapshot!(told(&agent(&host, &["create", "one-more"]).run()));
    assert!(!agent(&host, &["events", "one-more"]).ok().stdout.contains("one-more"));

    sql(&host, "DELETE FROM berths WHERE slot = 77");
    let one = Agent::create(&host, "one-more");
    assert_eq!(one.address(), "10.100.0.155", "the only free slot");
    one.destroy();
    sql(&host, "DELETE FROM berths");
    host.shell("nft delete table inet berth").ok();
    host.assert_clean();
}

#[test]
fn a_flake_that_fails_is_told_with_what_nix_said() {
    let host = BerthHost::configured("e2e-flake", "closures = \"path:/etc/berth/closures-broken\"\n");
    insta::assert_snapshot!("evaluation", told_stable(&agent(&host, &["create", "x"]).run()));
    insta::assert_snapshot!("evaluation_by_build", told_stable(&agent(&host, &["build", "--json"]).run()));

    host.configure("closures = \"path:/nowhere\"\n");
    insta::assert_snapshot!("no_flake", told_stable(&agent(&host, &["create", "x"]).run()));

    host.configure("");
    host.change_guest("echo 'echo compiling; echo no such compiler >&2; exit 3' >build.sh", "");
    insta::assert_snapshot!("builder", told_stable(&agent(&host, &["create", "x"]).run()));
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    host.assert_clean();
}

#[test]
fn a_build_that_takes_too_long_is_ended() {
    let host = BerthHost::configured("e2e-slow-build", "[deadlines]\nbuild = \"8s\"\n");
    host.change_guest("echo 'while :; do :; done' >build.sh", "");
    insta::assert_snapshot!(told_stable(&agent(&host, &["build"]).run()));
    wait_until(Duration::from_mins(1), "the builder ends", || {
        !host.shell("pgrep -f [b]uild.sh").run().is_success()
    });
    host.assert_clean();
}

/// Journals of a boot have a handful of lines more or less each time: only
/// what this test is about is kept of each block.
#[track_caller]
fn with_logs(failed: &Output, telling: &[&str]) -> String {
    let is_of_a_log =
        |line: &str| line.starts_with("    ") && !telling.iter().any(|word| line.contains(word));
    let mut is_log = false;
    let mut shown = String::new();
    for line in told_stable(failed).lines() {
        if !line.starts_with("    ") {
            is_log = line.starts_with("  the last lines of");
        }
        if !(is_log && is_of_a_log(line)) {
            shown += &format!("{line}\n");
        }
    }
    shown
}

#[test]
fn a_container_that_does_not_boot_is_told_with_its_logs_and_taken_back() {
    let host = BerthHost::boot("e2e-broken-boot");
    host.offer("broken-boot");
    agent(&host, &["build"]).ok();
    let failed = agent(&host, &["create", "x"]).run();
    insta::assert_snapshot!(with_logs(&failed, &["no such thing"]));
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    host.assert_clean();
}

#[test]
fn a_container_that_never_gets_ready_is_ended_at_the_deadline() {
    let host = BerthHost::configured("e2e-hanging-boot", "[deadlines]\nboot = \"10s\"\n");
    host.offer("hanging-boot");
    agent(&host, &["build"]).ok();
    let failed = agent(&host, &["create", "x"]).run();
    insta::assert_snapshot!(with_logs(&failed, &["waiting for something"]));
    host.assert_clean();
}

#[test]
fn a_system_without_ssh_is_told_with_how_far_the_login_came() {
    let host = BerthHost::configured("e2e-no-ssh", "[deadlines]\nboot = \"15s\"\n");
    let unit = "[Service]\nExecStart=/usr/bin/sleep infinity\n";
    host.change_guest("cat >etc/systemd/system/sshd.service", unit);
    agent(&host, &["build"]).ok();
    let failed = agent(&host, &["create", "x"]).run();
    insta::assert_snapshot!(with_logs(&failed, &["Started sshd.service"]));
    host.assert_clean();
}

#[test]
fn a_start_that_fails_keeps_the_workspace_and_the_berth() {
    let host = BerthHost::boot("e2e-failed-start");
    let one = Agent::create(&host, "x");
    one.ssh("echo mine >workspace").ok();
    one.command("stop").ok();
    let guard = host.shell("mv /usr/bin/berth-guard /usr/bin/hidden");
    guard.ok();
    let failed = one.command("start").run();
    host.shell("mv /usr/bin/hidden /usr/bin/berth-guard").ok();
    insta::assert_snapshot!(with_logs(&failed, &["berth-guard"]));
    assert_eq!(one.state(), "failed");
    assert!(one.info()["reason"].is_string(), "{}", one.info());
    one.command("start").ok();
    assert_eq!(one.ssh("cat workspace").ok().stdout, "mine\n");
    assert_eq!(one.info()["reason"], serde_json::Value::Null);
    one.destroy();
    host.assert_clean();
}

#[test]
fn a_credential_that_cannot_be_read_is_named_before_anything_starts() {
    let host = BerthHost::configured(
        "e2e-no-credential",
        "[[agent.credential]]\nname = \"claude\"\nsource = \"/run/secrets/claude\"\n",
    );
    agent(&host, &["build"]).ok();
    insta::assert_snapshot!(told_stable(&agent(&host, &["create", "x"]).run()));
    host.assert_clean();
}

/// Holds the state database until its stdin would end, for longer than Berth
/// waits.
const HOLD: &str = r#"
import sqlite3, time
connection = sqlite3.connect("/var/lib/berth/state/berth.db", isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(60)
"#;

#[test]
fn a_state_database_that_somebody_holds_is_busy_and_can_be_read_still() {
    let host = BerthHost::boot("e2e-locked");
    let one = Agent::create(&host, "x");
    let holder = host.command("python3").args(["-c", HOLD]).spawn();
    wait_until(Duration::from_mins(1), "the lock is held", || holder.stdout_so_far() == "held\n");
    let refused = agent(&host, &["create", "y"]).run();
    assert_eq!(one.state(), "running", "readers do not wait");
    holder.signal(berth_e2e::Signal::KILL);
    holder.wait();
    insta::assert_snapshot!(told(&refused));
    agent(&host, &["create", "y"]).ok();
    agent(&host, &["destroy", "y"]).ok();
    one.destroy();
    host.assert_clean();
}

#[test]
fn nothing_is_concluded_from_a_damaged_state_database() {
    let host = BerthHost::boot("e2e-damaged");
    let one = Agent::create(&host, "x");
    let (root, unit) = (one.root(), one.unit());
    host.shell("cp -a /var/lib/berth/state /var/lib/berth/good").ok();
    let damage = |script: &str| {
        host.shell(&format!("cd /var/lib/berth/state && rm -f * && cp -a ../good/* . && {script}")).ok();
    };
    let mut all = String::new();
    for (what, script) in [
        ("garbage", "rm -f *; head -c 8192 /dev/zero | tr '\\0' x >berth.db"),
        ("empty", "rm -f *; touch berth.db"),
        ("gone beside its log", "touch berth.db-wal; rm berth.db"),
        ("a folder", "rm -f *; mkdir berth.db"),
    ] {
        damage(script);
        for words in [&["list", "--json"][..], &["create", "y"], &["destroy", "x"], &["expire"]] {
            let failed = agent(&host, words).run();
            assert_eq!(failed.code(), Some(1), "{what}: {failed}");
            assert_eq!(failed.stdout, "", "{what}");
        }
        let repaired = agent(&host, &["doctor", "--fix"]).run();
        assert_eq!(repaired.code(), Some(1), "{repaired}");
        all += &format!("--- {what}\n{}", told(&agent(&host, &["list"]).run()));
        host.shell("rmdir /var/lib/berth/state/berth.db 2>/dev/null || true").ok();
    }
    insta::assert_snapshot!(all);
    assert!(host.exists(&format!("{root}/etc/passwd")), "an unreadable record is not a missing one");
    assert!(host.command("systemctl").args(["is-active", &unit]).run().is_success());
    damage("true");
    assert_eq!(one.state(), "running");
    one.destroy();
    host.shell("rm -r /var/lib/berth/good").ok();
    host.assert_clean();
}

#[test]
fn lost_records_are_not_taken_for_an_empty_host_until_somebody_gives_them_up() {
    let host = BerthHost::boot("e2e-lost");
    let one = Agent::create(&host, "x");
    let unit = one.unit();
    one.keep();
    host.shell("rm -r /var/lib/berth/state").ok();
    for words in [&["list", "--json"][..], &["create", "y"], &["destroy", "--all", "--yes"], &["expire"]] {
        let failed = told(&agent(&host, words).run());
        assert!(failed.starts_with("exit 1\nerror: the records are lost"), "{failed}");
    }
    let looked = agent(&host, &["doctor", "--fix"]).run();
    assert_eq!(looked.code(), Some(1), "{looked}");
    assert!(host.command("systemctl").args(["is-active", &unit]).run().is_success());
    // At boot the firewall comes first, and makes no empty records.
    let pins = || host.shell("nft list table inet berth | grep -c '\"ve-a1\" \\. '").run().stdout;
    assert_ne!(pins(), "0\n", "it is pinned");
    agent(&host, &["firewall", "load"]).ok();
    assert_ne!(pins(), "0\n", "it goes on");
    host.shell("nft delete table inet berth").ok();
    agent(&host, &["firewall", "load"]).ok();
    assert_eq!(pins(), "0\n", "the table is in force");
    host.shell("! test -e /var/lib/berth/state/berth.db").ok();
    insta::assert_snapshot!(told(&agent(&host, &["list"]).run()));

    agent(&host, &["doctor", "--fix", "--give-up"]).ok();
    assert_eq!(agent(&host, &["list", "--json"]).ok().stdout, "[]\n");
    // The record of the closure was lost too, and its root is removed with the rest.
    host.assert_clean();
}

#[test]
fn all_problems_of_a_configuration_are_told_at_once_by_every_command() {
    let host = BerthHost::boot("e2e-config");
    let one = Agent::create(&host, "x");
    host.configure(
        "subnet = \"10.0.0.0/8\"\ncolour = \"blue\"\n[agent]\nttl = \"soon\"\ncpus = 0\n\
         [[agent.credential]]\nname = \"../x\"\nmode = \"0644\"\n[deadlines]\nboot = \"-1s\"\n",
    );
    insta::assert_snapshot!(told(&agent(&host, &["check-config"]).run()));
    let checked = told(&agent(&host, &["check-config"]).run());
    for words in [&["list"][..], &["list", "--json"], &["create", "y"], &["destroy", "x"], &["expire"]] {
        assert_eq!(told(&agent(&host, words).run()), checked, "{words:?}");
    }
    let looked = agent(&host, &["doctor"]).run();
    assert_eq!(looked.code(), Some(1), "{looked}");
    assert!(looked.stdout.contains("10.0.0.0/8") && looked.stdout.contains("colour"), "{looked}");
    assert!(looked.stdout.contains("tools"), "what needs no configuration is looked at still");
    host.configure("");
    one.destroy();
}
