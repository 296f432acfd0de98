use std::fs;
use std::process::Command;

use crate::bed::{OPENED, Place, Running, deliver, head, names, send, status, wait_until};

/// A delivery of about 200 kB.
fn deliver_large(place: &Place, delivery: &str) -> String {
    let body = OPENED.replacen('{', &format!("{{\"padding\": \"{}\",", "x".repeat(200_000)), 1);
    send(place.address(), &[head(delivery, body.as_bytes()).as_bytes(), body.as_bytes()])
}

/// The program below a shell that changes its surroundings first.
fn start_after(place: &Place, shell: &mut Command) -> Running {
    shell.arg(env!("CARGO_BIN_EXE_preview-webhook")).arg("--allow-root").env("SPOOL", place.spool());
    shell.arg("--spool").arg(place.spool()).arg("--secret-file").arg(place.secret());
    place.pass_socket(shell);
    let mut command = Command::new("true");
    std::mem::swap(shell, &mut command);
    Running::start(command)
}

#[test]
fn a_limit_on_the_size_of_files_is_answered_503_and_nothing_stays() {
    let place = Place::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 200; exec \"$0\" \"$@\""]);
    let _running = start_after(&place, &mut shell);
    let answer = deliver_large(&place, "large");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 60"), "{answer}");
    assert_eq!(place.names().len(), 0);
    assert_eq!(deliver(place.address(), "small"), 202);
    assert_eq!(place.deliveries(), ["small"]);
}

#[test]
fn a_full_disk_is_answered_503_until_there_is_room() {
    let place = Place::new();
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-ec", "mount -t tmpfs -o size=256k tmpfs \"$SPOOL\"; exec \"$0\" \"$@\""]);
    let running = start_after(&place, &mut shell);
    let inside = std::path::PathBuf::from(format!("/proc/{}/root{}", running.id(), place.spool().display()));
    assert_eq!(status(&deliver_large(&place, "first")), 202);
    let answer = deliver_large(&place, "second");
    assert_eq!(status(&answer), 503, "{answer}");
    let lying = names(&inside);
    assert_eq!(lying.len(), 1, "{lying:?}");
    fs::remove_file(inside.join(&lying[0])).expect("removed");
    assert_eq!(status(&deliver_large(&place, "third")), 202);
    wait_until("the log tells it", || running.log().contains("there is no space for the delivery"));
}

#[test]
fn a_full_spool_is_answered_503() {
    let place = Place::new();
    let _running = place.start(&["--max-files", "1"]);
    assert_eq!(deliver(place.address(), "first"), 202);
    assert_eq!(deliver(place.address(), "second"), 503);
    let ready = send(place.address(), &[b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"]);
    assert_eq!(status(&ready), 503, "{ready}");
    assert_eq!(place.deliveries(), ["first"]);
}
