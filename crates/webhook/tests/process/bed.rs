//! A running `preview-webhook` with a spool of its own, and a plain client.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use berth_core::delivery::{Delivery, SpoolName, WebhookSecret};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "poison-secret-poison";
pub(crate) const OPENED: &str = include_str!("../../../core/src/delivery/fixtures/pull_request.opened.json");
const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Folders and files that outlive a process.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) listener: TcpListener,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("spool")).expect("a folder");
        let place = Self { folder, listener: TcpListener::bind("127.0.0.1:0").expect("a socket") };
        fs::write(place.secret(), format!("{SECRET}\n")).expect("written");
        fs::set_permissions(place.secret(), Permissions::from_mode(0o400)).expect("changed");
        place
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// The call of the program, with the socket passed as systemd does it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preview-webhook"));
        command.args(arguments).arg("--allow-root");
        command.arg("--spool").arg(self.spool()).arg("--secret-file").arg(self.secret());
        self.pass_socket(&mut command);
        command
    }

    /// As standard input, where a child gets it without unsafe code.
    pub(crate) fn pass_socket(&self, command: &mut Command) {
        command.stdin(OwnedFd::from(self.listener.try_clone().expect("a socket")));
        command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0").stderr(Stdio::piped());
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments))
    }

    /// All names in the spool, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.spool())
    }

    /// All deliveries in the spool, each of which must be whole and signed.
    pub(crate) fn deliveries(&self) -> Vec<String> {
        let secret = WebhookSecret::new(SECRET.as_bytes()).expect("a secret");
        let names = self.names().into_iter().filter(|name| !name.starts_with('.'));
        names
            .map(|name| {
                let content = fs::read(self.spool().join(&name)).expect("readable");
                let name: SpoolName = name.parse().expect("a name of the spool");
                let delivery = Delivery::decode(&name, &content).expect("whole");
                assert!(delivery.envelope.signature.verify(std::slice::from_ref(&secret), delivery.body));
                name.delivery().to_string()
            })
            .collect()
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// The program; killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Running {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("started");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || lines.map_while(Result::ok).for_each(|line| log.lock().expect("no panic").push(line))
        });
        let running = Self { child, log, reader: Some(reader) };
        wait_until("the program is ready", || running.log().contains("\"ready\""));
        running
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("sent");
    }

    /// Waits for its end and returns its whole log.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        wait_until("the program ends", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        self.reader.take().expect("once").join().expect("no panic");
        (status.expect("it ended"), self.log())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a request with this delivery id and body.
pub(crate) fn head(delivery: &str, body: &[u8]) -> String {
    let signature = WebhookSecret::new(SECRET.as_bytes()).expect("a secret").sign(body);
    format!(
        "POST /webhook/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: \
         pull_request\r\nX-GitHub-Delivery: {delivery}\r\nX-Hub-Signature-256: {signature}\r\nContent-Length: \
         {}\r\n\r\n",
        body.len()
    )
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
    stream
}

/// Everything until the end of the connection.
pub(crate) fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

/// The status of an answer; 0 without one.
pub(crate) fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// Sends parts and returns the whole answer.
pub(crate) fn send(address: SocketAddr, parts: &[&[u8]]) -> String {
    let mut stream = connect(address);
    for part in parts {
        // A server that does not want the rest may answer before it is sent.
        if stream.write_all(part).is_err() {
            break;
        }
    }
    answer(stream)
}

/// Sends a good delivery.
pub(crate) fn deliver(address: SocketAddr, delivery: &str) -> u16 {
    let body = OPENED.as_bytes();
    status(&send(address, &[head(delivery, body).as_bytes(), body]))
}
