//! The records, behind Berth's back.

use berth_testhost::TestHost;

const PROGRAM: &str = r#"
import sqlite3, sys
connection = sqlite3.connect("/var/lib/berth/state/berth.db", timeout=30)
connection.execute("PRAGMA foreign_keys = ON")
for statement in sys.stdin.read().split(";"):
    for row in connection.execute(statement):
        print("|".join("" if value is None else str(value) for value in row))
connection.commit()
"#;

/// Runs statements, parted by `;`, and returns the rows that they select: a
/// line each, values parted by `|`.
///
/// # Panics
/// If they fail.
#[track_caller]
pub fn sql(host: &TestHost, statements: &str) -> Vec<String> {
    let output = host.command("python3").args(["-c", PROGRAM]).stdin(statements).ok();
    output.stdout.lines().map(str::to_owned).collect()
}
