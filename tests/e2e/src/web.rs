//! Requests through Caddy as a browser makes them: the real host name, TLS, and
//! Caddy's own authority.

use std::time::Duration;

use berth_testhost::{Running, TestHost, wait_until};
use serde::Deserialize;

/// Caddy's own authority, by which it signs where nobody else does.
const AUTHORITY: &str = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt";
const LOAD: &str = include_str!("load.py");
const SOON: Duration = Duration::from_mins(1);
/// How often a connection is made anew that ended before an answer.
const CONNECTIONS: usize = 3;
/// What curl exits with then: while the connection was made, without an answer,
/// in the middle.
const ENDED_EARLY: [i32; 3] = [35, 52, 56];

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, as they came.
    pub head: String,
    /// Its content.
    pub body: String,
}

/// Asks for a page of a host name, again on a new connection where one ended
/// without an answer, as browsers do: Caddy may close one that is just being
/// made while it reloads. A site that is down is told by a status.
///
/// # Panics
/// If there is no answer.
#[track_caller]
pub(crate) fn get(host: &TestHost, name: &str, path: &str) -> Answer {
    let resolve = format!("{name}:443:127.0.0.1");
    let url = format!("https://{name}{path}");
    let arguments = ["-sSi", "--max-time", "20", "--cacert", AUTHORITY, "--resolve", &resolve, &url];
    let asked = || host.command("curl").args(arguments).run();
    let mut answer = asked();
    for _ in 1..CONNECTIONS {
        if answer.code().is_some_and(|code| ENDED_EARLY.contains(&code)) {
            answer = asked();
        }
    }
    assert!(answer.is_success(), "{answer}");
    let told = answer.stdout;
    let (head, body) = told.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {told}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {told}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A steady load of requests by some visitors, who keep their connections as
/// browsers do: Caddy may close one that is just being made while it reloads.
#[derive(Debug)]
pub struct Load(Running);

/// What a load saw.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// How many requests were made.
    pub count: usize,
    /// How many were made again, because a connection ended without an answer.
    pub retries: usize,
    /// What went wrong, a text each: an error, or a status that is not 200.
    pub failures: Vec<String>,
    /// The different bodies in the order in which they were first seen.
    pub bodies: Vec<String>,
    /// What the last request got, after the load was told to end: a body,
    /// or what went wrong.
    pub last: String,
}

impl Load {
    /// Begins to ask for a page of a host name, and returns when the first
    /// answers have come.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub(crate) fn begin(host: &TestHost, name: &str, path: &str) -> Self {
        let load = host.command("python3").args(["-c", LOAD, name, path, AUTHORITY]).spawn();
        wait_until(SOON, "the load is there", || load.stderr_so_far().contains("steady"));
        Self(load)
    }

    /// Ends it and tells what it saw.
    ///
    /// # Panics
    /// If it saw nothing.
    #[track_caller]
    pub fn end(self) -> Seen {
        self.0.signal(crate::Signal::TERM);
        let output = self.0.wait();
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
    }
}
