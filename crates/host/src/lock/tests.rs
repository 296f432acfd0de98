use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use super::*;

const LONG: Duration = Duration::from_mins(1);
const HOME: &str = "BERTH_TEST_HOME";

fn berth(text: &str) -> LockName {
    LockName::Berth(text.parse().unwrap())
}

fn locks() -> (TempDir, Locks) {
    let folder = TempDir::new().unwrap();
    let locks = Locks::new(&Layout::below(folder.path()));
    (folder, locks)
}

fn files(locks: &Locks) -> Vec<PathBuf> {
    locks.files().unwrap()
}

#[tokio::test]
async fn a_berth_is_locked_where_the_layout_says() {
    let folder = TempDir::new().unwrap();
    let layout = Layout::below(folder.path());
    let locks = Locks::new(&layout);
    let container: ContainerName = "a12".parse().unwrap();
    let lock = locks.lock(container, "agent create fix-login", LONG).await.unwrap();
    assert_eq!(files(&locks), [layout.lock(container)]);
    let text = std::fs::read_to_string(layout.lock(container)).unwrap();
    assert_eq!(text, format!("{}\nagent create fix-login\n", std::process::id()));
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!((mode(&layout.lock_dir()), mode(&layout.lock(container))), (0o700, 0o600));
    drop(lock);
    assert_eq!(files(&locks), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_busy_lock_names_its_holder() {
    let (_folder, locks) = locks();
    let _held = locks.lock(berth("a12"), "agent create fix-login", LONG).await.unwrap();
    let other = locks.lock(berth("a13"), "agent create other", Duration::ZERO).await;
    assert!(other.is_ok(), "another berth is another lock");
    let error =
        locks.lock(berth("a12"), "agent destroy fix-login", Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`a12` is busy: process {} (`agent create fix-login`) has held it for more than 0.05 s; \
             try again when that is done",
            std::process::id()
        )
    );
}

#[tokio::test]
async fn a_holder_that_has_not_written_yet_is_another_process() {
    let (_folder, locks) = locks();
    let held = locks.try_lock(LockName::Firewall, "x").unwrap();
    std::fs::write(locks.path(LockName::Firewall), "").unwrap();
    let error = locks.lock(LockName::Firewall, "y", Duration::ZERO).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`firewall` is busy: another process has held it for more than 0 s; try again when that is done"
    );
    drop(held);
}

#[tokio::test]
async fn who_waits_gets_the_lock_when_it_is_let_go() {
    let (_folder, locks) = locks();
    let held = locks.lock(LockName::Reconcile, "first", LONG).await.unwrap();
    let waiting = {
        let locks = locks.clone();
        tokio::spawn(async move { locks.lock(LockName::Reconcile, "second", LONG).await })
    };
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(held);
    let second = waiting.await.unwrap().unwrap();
    assert!(locks.try_lock(LockName::Reconcile, "third").unwrap().is_none());
    drop(second);
    assert_eq!(files(&locks), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn who_stops_waiting_holds_nothing() {
    let (_folder, locks) = locks();
    let held = locks.lock(LockName::Firewall, "first", LONG).await.unwrap();
    let waiting = locks.lock(LockName::Firewall, "second", LONG);
    tokio::time::timeout(Duration::from_millis(20), waiting).await.unwrap_err();
    drop(held);
    assert!(locks.try_lock(LockName::Firewall, "third").unwrap().is_some());
}

#[test]
fn eight_thousand_races_of_eight_threads_never_let_two_in() {
    let (_folder, locks) = locks();
    let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let lock = loop {
                        if let Some(lock) = locks.try_lock(berth("a1"), "race").unwrap() {
                            break lock;
                        }
                        std::thread::yield_now();
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    std::thread::yield_now();
                    turns.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(turns.into_inner(), 8000);
    assert_eq!(files(&locks), Vec::<PathBuf>::new());
}

/// What used to happen without the second look: the waiter locked the file
/// that the holder had removed, and the next one locked a new file.
#[test]
fn a_file_that_was_opened_before_its_removal_is_no_lock() {
    let (_folder, locks) = locks();
    let path = locks.path(LockName::Firewall);
    let held = locks.try_lock(LockName::Firewall, "first").unwrap().unwrap();
    let waiter = open(&path, true).unwrap();
    assert!(is_at(&waiter, &path).unwrap());
    drop(held);
    waiter.try_lock().unwrap();
    assert!(!is_at(&waiter, &path).unwrap());
    let next = locks.try_lock(LockName::Firewall, "second").unwrap();
    assert!(next.is_some() && !is_at(&waiter, &path).unwrap());
}

#[test]
fn a_file_that_was_replaced_by_hand_is_left_to_its_holder() {
    let (_folder, locks) = locks();
    let first = locks.try_lock(LockName::Firewall, "first").unwrap();
    std::fs::remove_file(locks.path(LockName::Firewall)).unwrap();
    let second = locks.try_lock(LockName::Firewall, "second").unwrap().unwrap();
    drop(first);
    assert!(locks.try_lock(LockName::Firewall, "third").unwrap().is_none());
    drop(second);
    assert_eq!(files(&locks), Vec::<PathBuf>::new());
}

/// Starts one of the ignored tests here as a process of its own.
fn child_test(name: &str, folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", &format!("lock::tests::{name}")])
        .env(HOME, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts a process that holds `a7` until it is killed.
fn holder(folder: &Path) -> std::process::Child {
    let mut child = child_test("child_that_holds", folder);
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("held")), "the child died");
    child
}

#[test]
#[ignore = "the child of another test"]
fn child_that_holds() {
    let Some(folder) = std::env::var_os(HOME) else { return };
    let locks = Locks::new(&Layout::below(folder));
    let _held = locks.try_lock(berth("a7"), "agent create killed").unwrap().unwrap();
    println!("held");
    io::stdout().flush().unwrap();
    io::stdin().read_to_end(&mut vec![]).unwrap();
}

#[tokio::test]
async fn the_file_of_a_killed_holder_is_taken_over() {
    let (folder, locks) = locks();
    let mut child = holder(folder.path());
    let error = locks.lock(berth("a7"), "agent destroy killed", Duration::ZERO).await.unwrap_err();
    let who = Holder { pid: child.id(), action: "agent create killed".into() };
    assert!(matches!(&error, LockError::Busy { holder: Some(told), .. } if *told == who), "{error:?}");
    assert_eq!(locks.stale().unwrap(), []);
    assert_eq!(locks.remove_stale().unwrap(), []);

    child.kill().unwrap();
    child.wait().unwrap();
    let stale = StaleLock { path: locks.path(berth("a7")), holder: Some(who) };
    assert_eq!(locks.stale().unwrap(), [stale]);
    let lock = locks.lock(berth("a7"), "agent destroy killed", LONG).await.unwrap();
    assert_eq!(locks.stale().unwrap(), []);
    drop(lock);
    assert_eq!(files(&locks), Vec::<PathBuf>::new());
}

#[test]
fn what_killed_holders_left_is_removed() {
    let (folder, locks) = locks();
    let mut child = holder(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(locks.folder.join("unknown"), "no holder").unwrap();
    let _held = locks.try_lock(LockName::Firewall, "living").unwrap();
    let removed = locks.remove_stale().unwrap();
    let names: Vec<_> = removed.iter().map(|lock| lock.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a7", "unknown"]);
    assert_eq!(files(&locks), [locks.path(LockName::Firewall)]);
}

#[test]
fn nothing_is_stale_where_nothing_was_ever_locked() {
    let (_folder, locks) = locks();
    assert_eq!(locks.stale().unwrap(), []);
    assert_eq!(locks.remove_stale().unwrap(), []);
}

#[test]
#[ignore = "the child of another test"]
fn child_that_holds_and_starts_a_tool() {
    let Some(folder) = std::env::var_os(HOME) else { return };
    let locks = Locks::new(&Layout::below(folder));
    let _held = locks.try_lock(berth("a7"), "agent create killed").unwrap().unwrap();
    let mut tool = Command::new("tail").args(["-f", "/dev/null"]).stdout(Stdio::null()).spawn().unwrap();
    println!("{} held", tool.id());
    io::stdout().flush().unwrap();
    tool.wait().unwrap();
}

#[tokio::test]
async fn a_berth_stays_locked_until_the_tools_of_a_killed_holder_have_ended() {
    let (folder, locks) = locks();
    let mut child = child_test("child_that_holds_and_starts_a_tool", folder.path());
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    while !line.ends_with("held\n") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child died");
    }
    let tool: i32 = line.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    assert!(!locks.is_orphaned(berth("a7")), "its holder lives");

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(locks.try_lock(berth("a7"), "reconcile").unwrap().is_none(), "its tool still works");
    assert!(locks.is_orphaned(berth("a7")));

    rustix::process::kill_process(rustix::process::Pid::from_raw(tool).unwrap(), Signal::KILL).unwrap();
    drop(locks.lock(berth("a7"), "reconcile", LONG).await.unwrap());
    assert!(!locks.is_orphaned(berth("a7")));
}

#[test]
fn a_killed_holder_that_nobody_has_waited_for_is_dead() {
    let (_folder, locks) = locks();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    locks.make_folder().unwrap();
    std::fs::write(locks.path(berth("a7")), format!("{}\nagent create killed\n", child.id())).unwrap();
    assert!(!locks.is_orphaned(berth("a7")), "it runs");
    child.kill().unwrap();
    let until = std::time::Instant::now() + LONG;
    while !locks.is_orphaned(berth("a7")) {
        assert!(std::time::Instant::now() < until, "a zombie passes for alive");
        std::thread::yield_now();
    }
    child.wait().unwrap();
}

#[test]
fn a_lock_that_is_let_go_is_free_though_a_child_still_runs() {
    let (_folder, locks) = locks();
    let held = locks.try_lock(berth("a7"), "parent").unwrap();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    drop(held);
    assert!(locks.try_lock(berth("a7"), "next").unwrap().is_some());
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_link_in_the_place_of_a_lock_is_not_followed() {
    let (folder, locks) = locks();
    drop(locks.try_lock(LockName::Firewall, "first").unwrap());
    let target = folder.path().join("target");
    std::os::unix::fs::symlink(&target, locks.path(LockName::Firewall)).unwrap();
    let error = locks.try_lock(LockName::Firewall, "second").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not use the lock `{}`", locks.path(LockName::Firewall).display())
    );
    assert!(!target.exists());
}

#[test]
fn an_action_is_one_line_of_bounded_length() {
    let action = format!("agent create x\n7\u{1b}[31m{}", "é".repeat(300));
    let text = Holder { pid: 7, action }.render();
    let holder = Holder::parse(&text).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(holder.action.starts_with("agent create x 7 [31mé"));
    assert!(holder.action.len() <= ACTION_MAX);
}

#[test]
fn names_of_locks_round_trip() {
    for name in LockName::FIXED.into_iter().chain([berth("a12"), berth("p7")]) {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    assert_eq!("../x".parse::<LockName>().unwrap_err().to_string(), "`../x` is no lock of Berth");
}
