use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use std::{fs, str};

use rustix::process::Signal;

use crate::bed::{OPENED, Place, Running, SECRET, answer, connect, deliver, head, send, status, wait_until};

#[test]
fn sockets_come_from_systemd_and_the_one_named_metrics_is_for_metrics() {
    let place = Place::new();
    let metrics = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let metrics_address = metrics.local_addr().expect("an address");
    let mut command = place.command(&[]);
    command.stdout(OwnedFd::from(metrics)).env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "webhook:metrics");
    let _running = Running::start(command);
    assert_eq!(deliver(place.address(), "one"), 202);
    assert_eq!(place.deliveries(), ["one"]);
    let ask = |address| send(address, &[b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"]);
    let shown = ask(metrics_address);
    assert!(shown.contains("preview_webhook_deliveries_total{status=\"202\"} 1"), "{shown}");
    assert!(shown.contains("preview_webhook_spool_files 1"), "{shown}");
    assert!(shown.contains("preview_webhook_answer_seconds_count 1"), "{shown}");
    assert_eq!(status(&ask(place.address())), 404);
    assert_eq!(status(&send(metrics_address, &[head("two", b"{}").as_bytes(), b"{}"])), 404);
}

#[test]
fn what_came_before_the_start_or_between_two_is_answered() {
    let place = Place::new();
    let mut early = connect(place.address());
    early.write_all(head("early", OPENED.as_bytes()).as_bytes()).expect("sent");
    early.write_all(OPENED.as_bytes()).expect("sent");
    let running = place.start(&[]);
    assert_eq!(status(&answer(early)), 202);
    running.signal(Signal::TERM);
    assert!(running.ended().0.success());
    let between = connect(place.address());
    (&between).write_all(head("between", OPENED.as_bytes()).as_bytes()).expect("sent");
    (&between).write_all(OPENED.as_bytes()).expect("sent");
    let _running = place.start(&[]);
    assert_eq!(status(&answer(between)), 202);
    assert_eq!(place.deliveries(), ["early", "between"]);
}

#[test]
fn a_request_under_way_is_answered_before_the_program_ends() {
    let place = Place::new();
    let running = place.start(&[]);
    let (first, second) = OPENED.as_bytes().split_at(100);
    let mut stream = connect(place.address());
    let head = head("late", OPENED.as_bytes()).replace("Host: x", "Host: x\r\nExpect: 100-continue");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut goes_on = [0; 25];
    stream.read_exact(&mut goes_on).expect("the request has begun");
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(first).expect("sent");
    running.signal(Signal::TERM);
    wait_until("nothing more is accepted", || running.log().contains("stopping"));
    stream.write_all(second).expect("sent");
    assert_eq!(status(&answer(stream)), 202);
    let (status, log) = running.ended();
    assert!(status.success(), "{log}");
    assert_eq!(place.deliveries(), ["late"]);
}

#[test]
fn systemd_is_told_when_it_is_ready_alive_and_stopping() {
    let place = Place::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_mins(1))).expect("a socket");
    let mut command = place.command(&[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let running = Running::start(command);
    let mut told = Vec::new();
    let mut wait_for = |message: &str| {
        while !told.iter().any(|found: &String| found == message) {
            let mut buffer = [0; 200];
            let length = socket.recv(&mut buffer).expect(message);
            told.push(str::from_utf8(&buffer[..length]).expect("text").trim_end().to_owned());
        }
        told.clear();
    };
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    wait_for("WATCHDOG=1");
    running.signal(Signal::TERM);
    wait_for("STOPPING=1");
    assert!(running.ended().0.success());
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let place = Place::new();
    fs::write(place.spool().join("../previous"), "poison").expect("written");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_preview-webhook"));
    command.args(["check-config", "--spool", "/nonexistent/spool", "--secret-file", "/nonexistent/secret"]);
    command
        .arg("--previous-secret-file")
        .arg(place.spool().join("../previous"))
        .env_remove("CREDENTIALS_DIRECTORY");
    let output = command.output().expect("started");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).expect("text");
    for part in ["the spool `/nonexistent/spool`", "the secret `/nonexistent/secret`", "is open to all users"]
    {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(told.contains("--allow-root"), rustix::process::geteuid().is_root(), "{told}");
    assert!(!told.contains("poison"));
}

#[test]
fn credentials_of_systemd_are_the_secrets() {
    let place = Place::new();
    let folder = tempfile::tempdir().expect("a folder");
    fs::rename(place.secret(), folder.path().join("webhook-secret-previous")).expect("moved");
    let current = folder.path().join("webhook-secret");
    fs::write(&current, "another secret of these days").expect("written");
    fs::set_permissions(&current, std::os::unix::fs::PermissionsExt::from_mode(0o440)).expect("changed");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_preview-webhook"));
    command.arg("--allow-root").arg("--spool").arg(place.spool()).env("CREDENTIALS_DIRECTORY", folder.path());
    place.pass_socket(&mut command);
    let _running = Running::start(command);
    assert_eq!(deliver(place.address(), "signed-by-the-previous"), 202);
}

#[test]
fn no_secret_and_no_body_is_in_the_logs_the_arguments_or_the_environment() {
    let place = Place::new();
    let mut command = place.command(&[]);
    command.env("BERTH_LOG", "trace");
    let running = Running::start(command);
    let canary = b"{\"action\": \"opened\", \"canary\": \"poison-body\"}";
    let malformed = send(place.address(), &[head("poison", canary).as_bytes(), canary]);
    assert_eq!(status(&malformed), 400);
    assert_eq!(deliver(place.address(), "good"), 202);
    let process = format!("/proc/{}", running.id());
    let read = |name: &str| {
        String::from_utf8_lossy(&fs::read(format!("{process}/{name}")).expect(name)).into_owned()
    };
    let (cmdline, environ) = (read("cmdline"), read("environ"));
    running.signal(Signal::TERM);
    let (_, log) = running.ended();
    assert!(log.contains("malformed") && cmdline.contains("--spool") && environ.contains("BERTH_LOG"));
    for text in [&log, &cmdline, &environ, &malformed] {
        assert!(!text.contains(SECRET) && !text.contains("poison-body"), "{text}");
    }
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
    for name in place.names() {
        let content = fs::read_to_string(place.spool().join(name)).expect("text");
        assert!(!content.contains(SECRET));
    }
}
