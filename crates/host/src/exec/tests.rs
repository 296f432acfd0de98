use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

fn sh(script: &str) -> Invocation {
    Invocation::new("sh").args(["-c", script]).aim("try it")
}

/// Whether a process still does something; a zombie that waits for its parent
/// does not.
fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A script that writes its own id and that of a child to `file`, and lives on.
fn parent_and_child(file: &Path, prelude: &str) -> Invocation {
    let file = file.display();
    sh(&format!(
        "{prelude} sleep 1000 & echo $$ $! > {file}.new; mv {file}.new {file}; wait; wait; sleep 1000"
    ))
}

fn pids(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn output_is_captured_and_zero_is_success() {
    let output = sh("echo out; echo err >&2").run().await.unwrap();
    assert_eq!(output.stdout.text(), "out\n");
    assert_eq!(output.stderr.text(), "err\n");
    assert_eq!(output.exit, Exit::Code(0));
}

#[tokio::test]
async fn the_environment_is_the_fixed_one_and_what_was_given() {
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "the twin: there is something to leak");
    let output = Invocation::new("env").env("GIVEN", "1").run().await.unwrap();
    let mut names: Vec<_> =
        output.stdout.text().lines().map(|l| l.split('=').next().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["GIVEN", "HOME", "LC_ALL", "PATH"]);
}

#[tokio::test]
async fn arguments_are_never_shell_text() {
    let output = Invocation::new("printf").args(["%s|", "a b", "$(id)", "", "';id;'"]).run().await.unwrap();
    assert_eq!(output.stdout.text(), "a b|$(id)||';id;'|");
}

#[tokio::test]
async fn stdin_is_closed_bytes_or_a_file() {
    assert_eq!(Invocation::new("cat").run().await.unwrap().stdout.bytes, b"");
    let many = vec![b'x'; 300_000];
    let output = Invocation::new("cat").stdin(Stdin::Bytes(many.clone())).run().await.unwrap();
    assert_eq!(output.stdout.bytes, many);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "from a file").unwrap();
    let opened = fs::File::open(file.path()).unwrap();
    assert_eq!(
        Invocation::new("cat").stdin(Stdin::File(opened)).run().await.unwrap().stdout.text(),
        "from a file"
    );
}

#[tokio::test]
async fn a_child_that_reads_none_of_its_stdin_succeeds() {
    Invocation::new("true").stdin(Stdin::Bytes(vec![0; 1 << 20])).run().await.unwrap();
}

#[tokio::test]
async fn a_secret_on_stdin_shows_nowhere() {
    let invocation = sh("exit 3").stdin(Stdin::Bytes(b"poison-value".to_vec()));
    assert!(!format!("{invocation:?}").contains("poison"));
    let error = invocation.run().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("poison"));
}

#[tokio::test]
async fn a_failure_tells_aim_arguments_exit_and_the_last_lines() {
    let error = sh("seq 1 12 >&2; printf '\\033[31mred\\n' >&2; exit 7").run().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not try it: `sh -c 'seq 1 12 >&2; printf '\\''\\033[31mred\\n'\\'' >&2; exit 7'` ended with exit code 7:\
         \n  4\n  5\n  6\n  7\n  8\n  9\n  10\n  11\n  12\n  \\u{1b}[31mred"
    );
    let error = sh("kill -9 $$").run().await.unwrap_err();
    assert_eq!(error.to_string(), "could not try it: `sh -c 'kill -9 $$'` ended with signal 9");
    let error = sh("echo only stdout speaks; exit 1").run().await.unwrap_err();
    assert!(error.to_string().ends_with("ended with exit code 1: only stdout speaks"), "{error}");
}

#[tokio::test]
async fn a_missing_tool_differs_from_one_that_cannot_start() {
    let error = Invocation::new("berth-no-such-tool").aim("try it").run().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not try it: `berth-no-such-tool` is not installed; check with `agent doctor`"
    );
    let error = Invocation::new("/").aim("try it").run().await.unwrap_err();
    assert_eq!(error.to_string(), "could not try it: `/` did not start");
    let error = Invocation::new("true").dir("/no/such/folder").run().await.unwrap_err();
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
}

#[tokio::test]
async fn run_any_judges_no_exit() {
    assert_eq!(sh("exit 7").run_any().await.unwrap().exit, Exit::Code(7));
    let killed = sh("kill -TERM $$").run_any().await.unwrap().exit;
    assert_eq!((killed, killed.shell_code()), (Exit::Signal(15), 143));
}

#[tokio::test]
async fn output_is_bounded_and_keeps_its_end() {
    let output = sh("seq 1 100000").keep(14).run().await.unwrap();
    assert_eq!(output.stdout.text(), "\n99999\n100000\n");
    assert_eq!(output.stdout.cut, 588_895 - 14);
    assert!(
        output.whole_stdout().unwrap_err().to_string().contains("printed 588881 bytes more than are kept")
    );
    assert_eq!(sh("seq 1 3").run().await.unwrap().whole_stdout().unwrap(), b"1\n2\n3\n");
}

#[tokio::test]
async fn at_the_deadline_the_whole_group_is_gone_and_the_error_says_what_was_heard() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let error = parent_and_child(&file, "echo still waiting >&2;")
        .deadline(Duration::from_millis(700))
        .run()
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("was stopped at its deadline of 700ms: still waiting"), "{error}");
    let pids = pids(&file);
    assert_eq!(pids.len(), 2);
    assert!(!pids.iter().any(|pid| is_alive(pid)), "{pids:?}");
}

#[tokio::test]
async fn a_dropped_future_ends_the_group_even_when_it_ignores_term() {
    let dir = tempfile::tempdir().unwrap();
    for prelude in ["", "trap '' TERM;"] {
        let file = dir.path().join(format!("pids{}", prelude.len()));
        let task = tokio::spawn(parent_and_child(&file, prelude).run());
        until("both run", || pids(&file).len() == 2).await;
        let pids = pids(&file);
        assert!(pids.iter().all(|pid| is_alive(pid)), "the twin: both are seen alive");
        task.abort();
        until("both are gone", || !pids.iter().any(|pid| is_alive(pid))).await;
        until("the child is reaped", || !Path::new("/proc").join(&pids[0]).exists()).await;
    }
    assert!(settle());
}

#[test]
fn settle_waits_for_children_of_a_runtime_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let task = tokio::spawn(parent_and_child(&file, "trap '' TERM;").run());
        until("both run", || pids(&file).len() == 2).await;
        drop(task);
    });
    drop(runtime);
    assert!(settle());
    // The kill is out; the grandchild is gone once the kernel has got round to it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while pids(&file).iter().any(|pid| is_alive(pid)) {
        assert!(Instant::now() < deadline, "the group outlives its end");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_result() {
    let begin = Instant::now();
    let output = sh("echo done; sleep 5 &").run().await.unwrap();
    assert_eq!(output.stdout.text(), "done\n");
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_child_leads_its_own_process_group() {
    let output = sh("echo $$; cut -d' ' -f5 /proc/$$/stat").run().await.unwrap();
    let text = output.stdout.text();
    let (pid, group) = text.trim().split_once('\n').unwrap();
    assert_eq!(pid, group);
}

#[tokio::test]
async fn another_user_keeps_no_groups_and_no_capabilities() {
    assert!(rustix::process::geteuid().is_root(), "this test needs root to change the user");
    let output = Invocation::new("cat").arg("/proc/self/status").user(65534, 65534).run().await.unwrap();
    let text = output.stdout.text();
    for line in
        ["Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "CapEff:\t0000000000000000"]
    {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert!(text.lines().any(|l| l.trim_end() == "Groups:"), "{text}");
}

/// One test for both: a signal to this process reaches every streaming child.
#[tokio::test]
async fn stream_passes_the_exit_on_and_forwards_term() {
    assert_eq!(sh("exit 9").stream().await.unwrap(), Exit::Code(9));

    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    let script = format!("trap 'exit 5' TERM; touch {}; while :; do sleep 0.01; done", ready.display());
    let task = tokio::spawn(sh(&script).stream());
    until("the child listens", || ready.exists()).await;
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
    assert_eq!(task.await.unwrap().unwrap(), Exit::Code(5));
}

#[tokio::test]
async fn starts_are_counted() {
    let before = started();
    Invocation::new("true").run().await.unwrap();
    assert!(started() > before);
}

#[tokio::test]
async fn what_asks_a_container_ends_though_nobody_waits_for_it() {
    let ask = |program| Invocation::new(program).deadline(Duration::from_millis(50)).ends_without_us();
    let begin = Instant::now();
    // Started by hand: as if whoever would end it had been killed.
    let status = ask("sleep").arg("1000").command().status().expect("it starts");
    assert!(!status.success(), "{status}");
    assert!(begin.elapsed() < Duration::from_mins(1));

    let output = Invocation::new("sh").args(["-c", "echo heard; exit 3"]).ends_without_us().run_any().await;
    let output = output.expect("it ran");
    assert_eq!((output.exit, output.stdout.bytes.as_slice()), (Exit::Code(3), b"heard\n".as_slice()));
    let missing = ask("berth-no-such-tool").run_any().await;
    assert!(matches!(missing, Err(ExecError::Missing { .. })), "{missing:?}");
}
