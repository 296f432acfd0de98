//! The services of a preview, through the systemd inside its container.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use berth_core::ContainerName;
use berth_core::meta::UnitName;
use jiff::Timestamp;

use super::{GuestError, GuestFile};
use crate::exec::{ExecError, Invocation, Stdin, Watcher, unexpanded};
use crate::printable::{printable, printable_line};
use crate::stop_when_dropped::StopWhenDropped;

/// How long a guest may take to answer. It may be hostile and never do so.
const ANSWER: Duration = Duration::from_secs(15);
/// How much of an answer is kept.
const ANSWER_MAX: usize = 256 << 10;
/// How much of a log that is followed is told, in bytes: a service that writes
/// without end must not fill the logs of who waits for it.
const FOLLOWED_MAX: usize = 1 << 20;

/// Where the few programs that Berth calls inside are looked for.
const PATH: &str = "PATH=/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts one after the other; the texts are arguments.
const IN_ORDER: &str = r#"for unit; do systemctl restart -- "$unit" || exit; done"#;

/// systemd-run passes lines on from stderr as they come.
const TO_STDERR: &str = r#"exec "$@" >&2"#;

/// The lines of the last start alone, if there was one: the service's own, and
/// what the systemd inside says of it.
const TAIL: &str = r#"
unit=$1 lines=$2
start=$(systemctl show --value --property=InvocationID -- "$unit")
set -- --unit "$unit"
[ -z "$start" ] || set -- "_SYSTEMD_INVOCATION_ID=$start" + "INVOCATION_ID=$start"
exec journalctl --lines "$lines" --output=cat --no-pager --quiet "$@"
"#;

/// Owner and mode come before the first byte, the name last. A folder in its
/// place is an error: without `-T` the file would be moved into it.
const REPLACE: &str = r#"
umask 077
new=$1.berth-new
rm -f -- "$new" && : >"$new" && chown -- "$2" "$new" && chmod -- "$3" "$new" && cat >"$new" && mv -fT -- "$new" "$1"
"#;

pub(super) async fn restart(
    name: ContainerName,
    unit: &UnitName,
    deadline: Duration,
) -> Result<(), GuestError> {
    match restart_invocation(name, unit, deadline).run().await {
        Ok(_) => Ok(()),
        Err(ExecError::Deadline { .. }) => {
            // It may have ended at this moment, or hang for good: the deadline
            // is what is told.
            let _ = stop_invocation(name, unit).run_any().await;
            Err(GuestError::UnitDeadline { container: name, unit: unit.clone(), after: deadline })
        }
        Err(error) => Err(GuestError::Unit(error)),
    }
}

pub(super) async fn start_in_order(name: ContainerName, units: &[UnitName]) -> Result<(), GuestError> {
    let run = inside(name)
        .args(["--collect", "--unit=berth-start.service", "--", "/bin/sh", "-c"])
        .arg(unexpanded(IN_ORDER))
        .arg("sh")
        .args(units.iter().map(UnitName::as_str))
        .aim(format!("start the services of {name}"))
        .deadline(ANSWER)
        .ends_without_us();
    run.run().await.map(drop).map_err(GuestError::Unit)
}

pub(super) async fn tail(name: ContainerName, unit: &str, lines: u32) -> Result<String, GuestError> {
    let read = inside(name)
        .args(["--pipe", "--wait", "--collect", "--property=LogLevelMax=notice", "--", "/bin/sh", "-c"])
        .args([&unexpanded(TAIL), "sh", unit, &lines.to_string()])
        .aim(format!("read the log of {unit} in {name}"))
        .keep(ANSWER_MAX)
        .deadline(ANSWER)
        .ends_without_us();
    let output = read.run().await.map_err(GuestError::Journal)?;
    Ok(printable(&output.stdout.text()))
}

pub(super) async fn follow(name: ContainerName, unit: &UnitName, deadline: Duration, log: Watcher<'_>) {
    static FOLLOWERS: AtomicU64 = AtomicU64::new(0);
    let number = FOLLOWERS.fetch_add(1, Ordering::Relaxed);
    let follower = format!("berth-follow-{}-{number}.service", std::process::id());
    let now = Timestamp::now();
    let told = Told::new(log);
    let safe_log = |line: &str| told.line(line);
    let dropped = StopWhenDropped::inside(name, follower.clone());
    let run = inside(name)
        .args(["--pipe", "--wait", "--collect", "--property=LogLevelMax=notice", "--unit", &follower])
        .args(["--", "/bin/sh", "-c", &unexpanded(TO_STDERR), "sh", "journalctl", "--follow", "--lines=all"])
        // What it writes before the follower is there is told too, and what it
        // wrote at an earlier start is not.
        .arg(format!("--since=@{}.{:06}", now.as_second(), now.subsec_microsecond()))
        .args(["--output=cat", "--no-pager", "--quiet", "--unit", unit.as_str()])
        .aim(format!("follow the log of {unit} in {name}"))
        .keep(ANSWER_MAX)
        .deadline(deadline)
        // Else it would hold the preview's lock for as long as the service runs.
        .ends_without_us();
    if let Err(error) = run.run_watched(&safe_log).await {
        tracing::debug!(%name, %unit, %error, "the log could not be followed");
    }
    dropped.disarm();
    // Its end is not the end of the service.
    std::future::pending::<()>().await;
}

/// Tells lines until they are too many.
struct Told<'a> {
    log: Watcher<'a>,
    left: Mutex<usize>,
}

impl<'a> Told<'a> {
    fn new(log: Watcher<'a>) -> Self {
        Self { log, left: Mutex::new(FOLLOWED_MAX) }
    }

    fn line(&self, line: &str) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
            return;
        }
        *left = left.saturating_sub(line.len() + 1);
        (self.log)(&printable_line(line));
        if *left == 0 {
            (self.log)("… more was written: the log inside has the rest");
        }
    }
}

pub(super) async fn replace_file(name: ContainerName, file: GuestFile) -> Result<(), GuestError> {
    let GuestFile { path, content, owner, mode } = file;
    let write = inside(name)
        .args(["--pipe", "--wait", "--collect", "--", "/bin/sh", "-c", &unexpanded(REPLACE), "sh", &path])
        .args([format!("{owner}:{owner}"), format!("{mode:04o}")])
        .stdin(Stdin::Bytes(content.to_vec()))
        .aim(format!("write `{path}` in {name}"))
        .deadline(ANSWER)
        .ends_without_us();
    write.run().await.map(drop).map_err(GuestError::File)
}

fn inside(name: ContainerName) -> Invocation {
    Invocation::new("systemd-run")
        .args(["--quiet", "--machine", &name.to_string()])
        .arg(format!("--setenv={PATH}"))
}

fn restart_invocation(name: ContainerName, unit: &UnitName, deadline: Duration) -> Invocation {
    Invocation::new("systemctl")
        // Else it recommends a `journalctl -M` as root, which a container can
        // lead to the host's own journal.
        .args(["--machine", &name.to_string(), "--quiet", "restart", "--", unit.as_str()])
        .aim(format!("start {unit} in {name}"))
        .keep(ANSWER_MAX)
        .deadline(deadline)
        .ends_without_us()
}

fn stop_invocation(name: ContainerName, unit: &UnitName) -> Invocation {
    Invocation::new("systemctl")
        .args(["--machine", &name.to_string(), "stop", "--no-block", "--", unit.as_str()])
        .aim(format!("stop {unit} in {name}"))
        .deadline(ANSWER)
        .ends_without_us()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_this_call() {
        let unit: UnitName = "setup".parse().expect("a unit");
        let call = restart_invocation("p7".parse().expect("a container"), &unit, ANSWER).call();
        insta::assert_snapshot!(call, @"systemctl --machine p7 --quiet restart -- setup.service");
    }

    #[test]
    fn a_service_that_writes_without_end_is_told_up_to_a_bound() {
        let lines = Mutex::new(Vec::new());
        let log = |line: &str| lines.lock().expect("lines").push(line.to_owned());
        let told = Told::new(&log);
        let line = "x".repeat(1023);
        for _ in 0..3 * FOLLOWED_MAX / 1024 {
            told.line(&line);
        }
        let lines = lines.lock().expect("lines");
        assert_eq!(lines.len(), FOLLOWED_MAX / 1024 + 1);
        assert_eq!(lines.last().expect("a line"), "… more was written: the log inside has the rest");
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_no_success() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("preview.env");
        let owner = std::process::Command::new("id").arg("-u").output().expect("an id");
        let owner = String::from_utf8_lossy(&owner.stdout).trim().to_owned();
        let write = || {
            let mut call = std::process::Command::new("/bin/sh");
            call.args(["-c", REPLACE, "sh"]).arg(&path).args([&owner, "0400"]);
            call.output().expect("a shell").status.success()
        };
        assert!(write());
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(folder.path(), &path).expect("linked");
        assert!(write(), "a link is replaced, and not followed");
        assert!(std::fs::symlink_metadata(&path).expect("there").is_file());
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("made");
        assert!(!write());
        assert_eq!(std::fs::read_dir(&path).expect("a folder").count(), 0);
    }
}
