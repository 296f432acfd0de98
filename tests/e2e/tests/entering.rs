//! Entering: `agent ssh` and `agent run` pass on what goes in and out.

use std::time::Duration;

use berth_e2e::{Agent, HostCommand, Signal, TestHost, agent, agent_on_a_terminal, wait_until};

const SOON: Duration = Duration::from_mins(1);

/// Both ways in, each with a name for messages.
fn ways<'a>(one: &'a Agent, line: &str) -> [(&'static str, HostCommand<'a>); 2] {
    [("ssh", one.ssh(line)), ("run", one.run(line))]
}

#[test]
fn exit_codes_pass_through() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-codes");
    for (line, code) in
        [("true", 0), ("exit 7", 7), ("exit 255", 255), ("no-such-command", 127), ("/etc/passwd", 126)]
    {
        for (way, command) in ways(&one, line) {
            let ended = command.run();
            assert_eq!(ended.code(), Some(code), "{way} {line}: {ended}");
        }
    }
    let missing = one.command("run").args(["--", "no-such-command"]).run();
    assert_eq!(missing.code(), Some(127), "{missing}");
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143), ("KILL", 137)] {
        let killed = one.run(&format!("kill -{signal} $$")).run();
        assert_eq!(killed.code(), Some(code), "as shells report {signal}: {killed}");
    }
    one.destroy();
}

#[test]
fn stdout_and_stderr_stay_apart() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-streams");
    for (way, command) in ways(&one, "echo out; echo err >&2") {
        let ended = command.ok();
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("out\n", "err\n"), "{way}");
    }
    one.destroy();
}

#[test]
fn a_mebibyte_of_any_bytes_passes_in_and_out_unchanged() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-bytes");
    host.shell("head -c 1048576 /dev/urandom >/tmp/entering-bytes").ok();
    for way in ["ssh", "run"] {
        let script = format!(
            "agent {way} entering-bytes -- cat </tmp/entering-bytes | cmp - /tmp/entering-bytes && \
             echo ${{PIPESTATUS[0]}}"
        );
        assert_eq!(host.shell(&script).ok().stdout, "0\n", "{way}");
    }
    host.shell("rm /tmp/entering-bytes").ok();
    one.destroy();
}

#[test]
fn run_hands_arguments_over_as_they_are() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-arguments");
    let hostile = [
        "a b",
        "$HOME",
        "${HOME}",
        "$$",
        "%h %%",
        "'q'",
        "\"d\"",
        "*",
        "\\n",
        "",
        "-x",
        "--",
        "ä\u{1F680}",
        ";id",
        "a\nb",
    ];
    let ended = one.command("run").args(["--", "printf", "[%s]"]).args(hostile).ok();
    let expected: String = hostile.iter().map(|argument| format!("[{argument}]")).collect();
    assert_eq!(ended.stdout, expected);
    one.destroy();
}

#[test]
fn run_is_at_home_as_the_user_agent_or_as_root_and_nobody_else() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-users");
    assert_eq!(
        one.run("id -un; id -gn; pwd; echo $HOME").ok().stdout,
        "agent\nagent\n/home/agent\n/home/agent\n"
    );
    assert_eq!(one.run_as_root("id -un; pwd").ok().stdout, "root\n/root\n");
    assert_eq!(one.ssh("id -un; pwd").ok().stdout, "agent\n/home/agent\n");
    one.destroy();
}

#[test]
fn on_a_terminal_the_command_inside_has_one_too() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-terminal");
    for way in ["ssh", "run"] {
        // ssh joins the words and gives them to a shell.
        let line = if way == "ssh" {
            "'test -t 0 && test -t 1 && echo $TERM; exit 9'"
        } else {
            "test -t 0 && test -t 1 && echo $TERM; exit 9"
        };
        let words = [way, "entering-terminal", "--", "sh", "-c", line];
        let on_terminal = agent_on_a_terminal(&host, "xterm-256color", &words).run();
        assert_eq!(on_terminal.code(), Some(9), "{way}: {on_terminal}");
        assert_eq!(on_terminal.stdout, "xterm-256color\r\n", "{way}: {on_terminal}");
        let piped = agent(&host, &words).run();
        assert_eq!((piped.code(), piped.stdout.as_str()), (Some(9), ""), "{way}: {piped}");
    }
    one.destroy();
}

#[test]
fn an_interrupted_run_ends_inside_too() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-interrupt");
    let running = one.run("echo begun; exec sleep 3456").spawn();
    wait_until(SOON, "it runs", || running.stdout_so_far().contains("begun"));
    assert!(one.run("pgrep -f '[s]leep 3456'").run().is_success());
    running.signal(Signal::INT);
    let ended = running.wait();
    assert!(!ended.is_success(), "{ended}");
    wait_until(SOON, "it ended inside", || !one.run("pgrep -f '[s]leep 3456'").run().is_success());
    one.destroy();
}

#[test]
fn entering_shows_only_what_the_command_says() {
    let host = TestHost::shared();
    let one = Agent::create(&host, "entering-quiet");
    for (way, command) in ways(&one, "true") {
        let ended = command.ok();
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""), "{way}");
    }
    one.destroy();
}
