//! The host's journal from some moment on: a slot is used again, so a unit's
//! journal has words about containers that are long gone.

use berth_testhost::TestHost;

/// What marks are called in the journal.
const MARK: &str = "berth-mark";

/// A moment in the host's journal.
#[derive(Debug)]
pub struct JournalMark {
    host: TestHost,
    cursor: String,
}

impl JournalMark {
    /// This moment.
    ///
    /// # Panics
    /// If the journal cannot be read.
    #[track_caller]
    pub fn now(host: &TestHost) -> Self {
        // An entry of no unit: with `--after-cursor` systemd 252 leaves out the
        // first entry of a unit if the one at the cursor is not of that unit.
        host.command("systemd-cat").args(["-t", MARK, "echo", "mark"]).ok();
        host.command("journalctl").arg("--sync").ok();
        let last = ["-q", "-n", "1", "-t", MARK, "--show-cursor"];
        let shown = host.command("journalctl").args(last).ok().stdout;
        let cursor = shown.lines().find_map(|line| line.strip_prefix("-- cursor: "));
        let cursor = cursor.unwrap_or_else(|| panic!("no cursor: {shown}")).to_owned();
        Self { host: host.clone(), cursor }
    }

    /// The messages of a unit since then, as they are.
    ///
    /// # Panics
    /// If the journal cannot be read.
    #[track_caller]
    pub fn messages_of(&self, unit: &str) -> String {
        self.host.command("journalctl").arg("--sync").ok();
        let since = format!("--cursor={}", self.cursor);
        self.host.command("journalctl").args(["-q", "-a", "-o", "cat", &since, "-u", unit]).ok().stdout
    }
}
