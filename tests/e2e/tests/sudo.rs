//! Through sudo: members of the group may do everything with agents and may
//! choose no file that root reads or writes.

use berth_e2e::{Agent, BerthHost, HostCommand, TestHost, agent, agent_as, json, sql};

#[test]
fn a_member_of_the_group_does_everything_with_agents() {
    let host = TestHost::shared();
    let one = Agent::named(&host, "sudo-life");
    let created = agent_as(&host, "alice", &["create", "sudo-life"]).ok();
    assert!(created.stdout.contains("on this host:  sudo agent ssh sudo-life\n"), "{created}");
    assert_eq!(agent_as(&host, "alice", &["ssh", "sudo-life", "--", "hostname"]).ok().stdout, "sudo-life\n");
    assert_eq!(agent_as(&host, "alice", &["run", "sudo-life", "--", "id", "-un"]).ok().stdout, "agent\n");
    let list = agent_as(&host, "alice", &["list"]).ok();
    assert!(list.stdout.contains("sudo-life"), "{list}");
    for command in ["stop", "start", "info", "logs", "events", "destroy"] {
        agent_as(&host, "alice", &[command, "sudo-life"]).ok();
    }
    assert_eq!(one.state(), "-");
    one.keep();
    host.assert_clean();
}

#[test]
fn events_and_records_name_the_person_behind_sudo() {
    let host = TestHost::shared();
    let one = Agent::named(&host, "sudo-events");
    agent_as(&host, "alice", &["create", "sudo-events"]).ok();
    assert_eq!(one.info()["created_by"], "alice");
    one.command("stop").ok();
    // Nothing that she can set changes who she is.
    let disguised = host
        .command("sudo")
        .args(["-n", "agent", "destroy", "sudo-events"])
        .env("SUDO_USER", "root")
        .env("SUDO_UID", "0")
        .as_user("alice");
    disguised.ok();
    let events = json(&agent(&host, &["events", "sudo-events", "--json"]).ok());
    let told: Vec<String> = events.as_array().expect("a list").iter().map(line).collect();
    assert_eq!(
        told[told.len() - 5..],
        [
            "alice create began",
            "alice create succeeded",
            "root stop succeeded",
            "alice destroy began",
            "alice destroy succeeded"
        ]
    );
    one.keep();
}

fn line(event: &berth_e2e::Value) -> String {
    ["actor", "action", "outcome"].map(|key| event[key].as_str().unwrap_or("?")).join(" ")
}

/// Refused with exit code 2, and the whole message.
#[track_caller]
fn refused(command: HostCommand<'_>) -> String {
    let output = command.run();
    assert_eq!(output.code(), Some(2), "{output}");
    assert_eq!(output.stdout, "");
    output.stderr
}

#[test]
fn nobody_chooses_files_for_root_through_sudo() {
    let host = TestHost::shared();
    let mine = "/home/alice/berth.toml";
    host.write_file(mine, "closures = \"path:/home/alice/evil\"\n", 0o644);
    let told: String = [
        &["--config", mine, "list"][..],
        &["list", "--config", mine],
        &["check-config", mine],
        &["man", "--dir", "/etc/cron.d"],
    ]
    .iter()
    .map(|words| refused(agent_as(&host, "alice", words)))
    .collect();
    insta::assert_snapshot!(told);
    // What she may do with her own rights, she may.
    host.command("agent").args(["check-config", mine]).as_user("alice").ok();
    host.command("agent").args(["man", "--dir", "/home/alice/man"]).as_user("alice").ok();
    assert!(host.exists("/home/alice/man/agent-create.1"));
    assert!(!host.exists("/etc/cron.d/agent.1"));
    // And root may name files, as root.
    agent(&host, &["--config", "/dev/null", "check-config"]).ok();
}

#[test]
fn sudo_lets_no_override_of_the_environment_through() {
    let host = TestHost::shared();
    // The sudo rule itself refuses to set variables …
    let set = host.command("sudo").args(["-n", "BERTH_LOG=trace", "agent", "list"]).as_user("alice").run();
    assert!(!set.is_success(), "{set}");
    // … drops those of the caller …
    let dropped = agent_as(&host, "alice", &["list"]).env("BERTH_LOG", "trace").ok();
    assert!(!dropped.stderr.contains("TRACE"), "{dropped}");
    // … and where another rule keeps them, the program refuses them.
    let kept = host
        .command("agent")
        .arg("list")
        .env("SUDO_UID", "1001")
        .env("SUDO_USER", "alice")
        .env("BERTH_LOG", "trace");
    insta::assert_snapshot!(refused(kept));
    agent(&host, &["list"]).env("BERTH_LOG", "info").ok();
}

#[test]
fn who_is_in_no_group_may_nothing() {
    let host = TestHost::shared();
    let refused = agent_as(&host, "nobody", &["list"]).run();
    assert!(!refused.is_success(), "{refused}");
    assert_eq!(refused.stdout, "");
}

#[test]
fn an_exit_code_passes_from_inside_through_ssh_sudo_and_ssh() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "sudo-ssh");
    let through = |options: &[&str], command: &str| {
        host.command("ssh")
            .args(["-o", "BatchMode=yes"])
            .args(options)
            .args(["alice@localhost", command])
            .as_user("alice")
            .run()
    };
    for code in [0, 7, 42] {
        let ended = through(&[], &format!("sudo agent ssh sudo-ssh -- 'exit {code}'"));
        assert_eq!(ended.code(), Some(code), "{ended}");
    }
    let nowhere = through(&[], "sudo agent ssh sudo-ssh -- no-such-command");
    assert_eq!(nowhere.code(), Some(127), "{nowhere}");

    let terminal = through(&["-tt"], "sudo agent ssh sudo-ssh -- 'tty; exit 5'");
    assert_eq!(terminal.code(), Some(5), "{terminal}");
    assert!(terminal.stdout.contains("/dev/pts/"), "{terminal}");
    let none = through(&[], "sudo agent ssh sudo-ssh -- tty");
    assert!(none.stdout.contains("not a tty"), "{none}");
    let ran = through(&["-tt"], "sudo agent run sudo-ssh -- sh -c 'test -t 0 && echo a terminal; exit 6'");
    assert_eq!(ran.code(), Some(6), "{ran}");
    assert_eq!(ran.stdout, "a terminal\r\n", "{ran}");
    one.destroy();
}

#[test]
fn the_state_of_berth_is_readable_by_root_alone() {
    let host = BerthHost::boot("e2e-private");
    let one = Agent::create(&host, "x");
    assert_eq!(sql(&host, "SELECT name FROM berths"), ["x"]);
    let look = |path: &str| host.command("cat").arg(path).as_user("alice").run();
    for path in ["/var/lib/berth/state/berth.db", "/var/lib/berth/keys/client_ed25519"] {
        assert!(host.exists(path), "{path}");
        let looked = look(path);
        assert!(looked.stderr.contains("Permission denied"), "{looked}");
    }
    let root = one.root();
    assert!(look(&format!("{root}/etc/passwd")).stderr.contains("Permission denied"));
    one.destroy();
}
