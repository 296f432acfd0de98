//! The sockets of the daemon: one that answers, one that tells metrics.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use berth_host::control::{Answer, LINE_MAX, Request};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::metrics::Metrics;

/// A caller gets so long, all in all.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many callers at once.
const CALLERS: usize = 32;
/// The pause after a caller could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// Where the groups of the host are listed.
const GROUPS: &str = "/etc/group";
/// Who may ask, beside root.
const GROUP: &str = "berth";

/// Why there is no socket, or still one.
#[derive(Debug, Error)]
#[error("the socket `{}` cannot be made or removed", path.display())]
pub struct SocketError {
    path: PathBuf,
    source: io::Error,
}

/// Makes a socket with mode 0660, of the group `berth` where there is one. The
/// caller is the only daemon, so an older one in its place is dead.
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let told = |source| SocketError { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(told)?;
    }
    remove(path)?;
    // Made for its owner alone, so that nobody comes before mode and group.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(told)?;
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    if let Some(group) = group_of(&groups, GROUP) {
        std::os::unix::fs::chown(path, None, Some(group)).map_err(told)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(told)?;
    Ok(listener)
}

/// Removes a socket, so that nobody takes a dead daemon for a silent one. Gone
/// already is success.
pub fn remove(path: &Path) -> Result<(), SocketError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SocketError { path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn group_of(groups: &str, name: &str) -> Option<u32> {
    let mut lines = groups.lines().map(|line| line.split(':'));
    lines
        .find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(1))?)
        .and_then(|id| id.parse().ok())
}

/// Answers callers for ever. `answer` is given who asks (0 is root).
pub async fn answer(listener: UnixListener, answer: Arc<dyn Fn(Request, u32) -> Answer + Send + Sync>) {
    let slots = Arc::new(Semaphore::new(CALLERS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let _slot = slot;
                    // A caller that does not read has no answer.
                    let _ = timeout(PATIENCE, answer_one(stream, &*answer)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a caller could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn answer_one(
    stream: UnixStream,
    answer: &(dyn Fn(Request, u32) -> Answer + Send + Sync),
) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(reader.take(LINE_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => answer(request, user),
        Err(_) => Answer::Refused { reason: "that is no request".to_owned() },
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

/// Tells metrics for ever, at `/metrics`.
pub async fn metrics(listener: UnixListener, metrics: Arc<Metrics>) -> io::Result<()> {
    let told = move || {
        let metrics = Arc::clone(&metrics);
        async move {
            let text = metrics.text().await;
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        }
    };
    axum::serve(listener, Router::new().route("/metrics", get(told))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\nberthing:x:7:\nberth:x:990:ada,grace\n";
        assert_eq!(group_of(groups, "berth"), Some(990));
        assert_eq!(group_of(groups, "ber"), None);
        assert_eq!(group_of("", "berth"), None);
    }

    #[tokio::test]
    async fn a_caller_is_known_and_rubbish_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = berth_core::Layout::below(folder.path());
        let path = layout.control_socket();
        drop(bind(&path).expect("one that dies"));
        let listener = bind(&path).expect("its successor");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o660);
        let told = |_, user: u32| Answer::Refused { reason: format!("you are {user}") };
        tokio::spawn(answer(listener, Arc::new(told)));
        let asked = tokio::task::spawn_blocking(move || {
            let answer = berth_host::control::ask(&layout, Request::Status).expect("an answer");
            let none = berth_host::control::ask(&berth_core::Layout::below("/nowhere"), Request::Status);
            (answer, none.expect("no daemon"), std::os::unix::net::UnixStream::connect(path))
        });
        let (answer, none, stream) = asked.await.expect("asked");
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(answer, Some(Answer::Refused { reason: format!("you are {me}") }));
        assert_eq!(none, None);
        let stream = stream.expect("connected");
        stream.set_nonblocking(true).expect("set");
        let mut stream = UnixStream::from_std(stream).expect("a stream");
        stream.write_all(b"rubbish\n").await.expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("read");
        assert_eq!(text, "{\"answer\":\"refused\",\"reason\":\"that is no request\"}\n");
    }
}
