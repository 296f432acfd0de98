//! These tests run as root, with a real journald in namespaces of its own:
//! they need `unshare`, `systemd-cat` and journald.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;

const MACHINE: &str = "0123456789abcdef0123456789abcdef";

/// A journal of the given messages, written by the real journald.
fn write_journal(folder: &Path, messages: &[&str]) {
    let script = r#"
        mount -t tmpfs tmpfs /run; mount -t proc proc /proc; mkdir -p /run/systemd/journal
        echo "$MACHINE" > /run/id; mount --bind /run/id /etc/machine-id
        mount --bind /dev/null /dev/kmsg
        /lib/systemd/systemd-journald 2> /dev/null & journald=$!
        tries=0
        until [ -S /run/systemd/journal/stdout ]; do tries=$((tries + 1)); [ $tries -lt 1000 ]; sleep 0.02; done
        for message in "$@"; do printf '%b\n' "$message" | systemd-cat -t planted; done
        journalctl --sync
        kill $journald; wait $journald
        cp --sparse=always /run/log/journal/*/system.journal "$OUT"
    "#;
    let output = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script, "sh"])
        .args(messages)
        .env("MACHINE", MACHINE)
        .env("OUT", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "this test needs root, unshare and journald: {output:?}");
}

/// A stopped container `a12` with a journal that only host root may read.
struct World {
    _dir: TempDir,
    layout: Layout,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let world = Self { _dir: dir, layout };
        fs::create_dir_all(world.folder()).unwrap();
        world
    }

    fn with_journal(messages: &[&str]) -> Self {
        let world = Self::new();
        write_journal(&world.folder(), messages);
        fs::set_permissions(world.folder().join("system.journal"), fs::Permissions::from_mode(0o600))
            .unwrap();
        world
    }

    fn folder(&self) -> PathBuf {
        self.layout.container_root(name()).join(FOLDER).join(MACHINE)
    }

    async fn planted(&self, lines: u32) -> Result<Vec<String>, JournalError> {
        let entries = entries_of_stopped(&self.layout, name(), lines).await?;
        Ok(entries.into_iter().filter(|entry| entry.source == "planted").map(|entry| entry.message).collect())
    }
}

fn name() -> ContainerName {
    "a12".parse().unwrap()
}

#[tokio::test]
async fn a_journal_is_read_in_order_and_bounded() {
    let world = World::with_journal(&["one", "two", "three"]);
    assert_eq!(world.planted(100).await.unwrap(), ["one", "two", "three"]);
    // journald's own last word is one of the two.
    assert_eq!(world.planted(2).await.unwrap(), ["three"]);
}

#[tokio::test]
async fn entries_of_several_files_are_merged_by_time() {
    let world = World::with_journal(&["one"]);
    fs::rename(world.folder().join("system.journal"), world.folder().join("system@1.journal")).unwrap();
    write_journal(&world.folder(), &["two"]);
    assert_eq!(world.planted(100).await.unwrap(), ["one", "two"]);
}

#[tokio::test]
async fn what_would_steer_a_terminal_is_shown_and_not_done() {
    let world = World::with_journal(&[r"\033[2Jred"]);
    let text = tail_of_stopped(&world.layout, name(), 100).await.unwrap();
    assert!(text.contains(r": \u{1b}[2Jred"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_symlink_to_another_journal_is_not_followed() {
    let other = World::with_journal(&["of the host"]);
    assert_eq!(other.planted(100).await.unwrap(), ["of the host"], "the twin: it can be read");
    let root_folders = ["var", "var/log", "var/log/journal"];
    for planted in root_folders {
        let world = World::new();
        let root = world.layout.container_root(name());
        fs::remove_dir_all(root.join(planted)).unwrap();
        symlink(other.layout.container_root(name()).join(planted), root.join(planted)).unwrap();
        let error = world.planted(100).await.unwrap_err();
        assert!(matches!(error, JournalError::Root(RootedError::Blocked { .. })), "{planted}: {error}");
    }
    let world = World::new();
    symlink(other.folder().join("system.journal"), world.folder().join("system.journal")).unwrap();
    assert_eq!(world.planted(100).await.unwrap(), Vec::<String>::new());
    fs::remove_dir_all(world.folder()).unwrap();
    symlink(other.folder(), world.folder()).unwrap();
    assert_eq!(world.planted(100).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn no_journal_is_no_error_and_a_broken_one_is() {
    let world = World::new();
    assert_eq!(tail_of_stopped(&world.layout, name(), 10).await.unwrap(), "");
    fs::write(world.folder().join("system.journal"), vec![7; 100_000]).unwrap();
    let error = tail_of_stopped(&world.layout, name(), 10).await.unwrap_err();
    assert_eq!(error.to_string(), "no journal file of a12 can be read");

    write_journal(&world.folder(), &["one"]);
    fs::write(world.folder().join("user-1000.journal"), vec![7; 100_000]).unwrap();
    assert_eq!(world.planted(100).await.unwrap(), ["one"], "a broken file does not hide a good one");
}

#[test]
fn every_form_of_a_field_is_read() {
    for (field, message) in [
        (r#""plain""#, "plain"),
        ("[27,91,50,74]", "\u{1b}[2J"),
        ("[255,104]", "\u{fffd}h"),
        (r#"["first","second"]"#, "first"),
        ("null", "(too long to show)"),
    ] {
        let line = format!(r#"{{"__REALTIME_TIMESTAMP":"1","MESSAGE":{field},"_PID":"7","_COMM":"sh"}}"#);
        let entry = Entry::parse(line.as_bytes()).unwrap();
        assert_eq!((entry.message.as_str(), entry.source.as_str(), entry.pid), (message, "sh", Some(7)));
    }
    for line in ["", "{}", "cut\"}", r#"{"__REALTIME_TIMESTAMP":"99999999999999999999"}"#, "[1]"] {
        assert_eq!(Entry::parse(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn further_lines_of_a_message_cannot_pass_for_entries() {
    let line = r#"{"__REALTIME_TIMESTAMP":"1795203943441869","MESSAGE":"one\n2026 sshd: two","SYSLOG_IDENTIFIER":"x"}"#;
    let entry = Entry::parse(line.as_bytes()).unwrap();
    assert_eq!(entry.to_string(), "2026-11-20T19:45:43.441869Z x: one\n    2026 sshd: two");
}
