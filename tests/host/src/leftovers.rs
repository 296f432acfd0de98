//! What Berth could have left on the host, less what its records explain.
//!
//! The host is listed without asking Berth, so that a leftover of an unknown
//! kind is found as well. Tests share one host and run at the same time: a
//! thing of a container with a record is somebody's, all else is nobody's.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::boot::TestHost;

/// How long another test may be in the middle of something.
const SETTLE_DEADLINE: Duration = Duration::from_mins(1);

/// Something that nobody's record explains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Leftover {
    /// What sort of thing, such as `interface`.
    pub kind: String,
    /// The thing itself.
    pub what: String,
    /// The container it belongs to, as far as its name tells; `?12` for what
    /// only tells its slot.
    container: Option<String>,
    /// The row of Berth's records that its name tells, such as `preview 3`.
    record: Option<String>,
}

/// Everything that nobody's record explains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    things: Vec<Leftover>,
}

impl Leftovers {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// The things, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Leftover> {
        self.things.iter()
    }

    /// The kinds of things found.
    pub fn kinds(&self) -> BTreeSet<&str> {
        self.things.iter().map(|thing| thing.kind.as_str()).collect()
    }
}

impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for thing in &self.things {
            writeln!(f, "{}: {}", thing.kind, thing.what)?;
        }
        Ok(())
    }
}

/// What Berth's records explain.
#[derive(Debug, Default)]
struct Records {
    /// Containers: of agents by `agent list --json`, of previews by their rows,
    /// as an update has two.
    containers: BTreeSet<String>,
    /// Rows, such as `preview 3`.
    rows: BTreeSet<String>,
}

/// One agent in `agent list --json`.
#[derive(Debug, Deserialize)]
struct Agent {
    container: String,
}

/// Prints the rows that explain things: what is kept as a cache is explained
/// too. Of the closures of agents those that are used, and the current one.
const ROWS: &str = r#"
import sqlite3
database = sqlite3.connect("file:/var/lib/berth/state/berth.db?mode=ro", uri=True, timeout=30)
for table, query in [
    ("berth", "SELECT 'p' || slot FROM berths WHERE kind = 'preview'"),
    ("preview", "SELECT id FROM previews"),
    ("repository", "SELECT id FROM repositories"),
    ("closure", """SELECT id FROM closures WHERE kind = 'preview' OR is_current = 1
                   OR id IN (SELECT closure_id FROM berths)"""),
]:
    for (value,) in database.execute(query):
        print(table, value)
"#;

impl TestHost {
    /// Lists the host and subtracts the records, at this moment.
    ///
    /// # Panics
    /// If host or records cannot be listed.
    #[track_caller]
    pub fn leftovers(&self) -> Leftovers {
        // First the host, then the records: a record precedes what it explains,
        // and outlives it.
        let listed = self.command("/usr/lib/berth-testhost/inventory").ok().stdout;
        let things: Vec<Leftover> = serde_json::from_str(&listed).expect("the inventory prints JSON");
        let records = self.records();
        let mut things: Vec<_> = things.into_iter().filter(|thing| !records.explain(thing)).collect();
        things.sort();
        Leftovers { things }
    }

    /// Asserts that nothing is left, once whatever is under way has settled.
    ///
    /// # Panics
    /// If something stays that no record explains.
    #[track_caller]
    pub fn assert_clean(&self) {
        let end = Instant::now() + SETTLE_DEADLINE;
        let mut seen = self.leftovers();
        while !seen.is_empty() {
            assert!(
                Instant::now() < end,
                "the host has things that no record explains:\n{seen}\n{}",
                self.logs_of_failed_units()
            );
            // Only what is there every time is left; the rest was passing by.
            let now = self.leftovers();
            seen.things.retain(|thing| now.things.contains(thing));
        }
    }

    fn logs_of_failed_units(&self) -> String {
        let script = "systemctl --failed --plain --no-legend | cut -d ' ' -f 1 |
            xargs -r -n 1 journalctl -b -q -n 20 --no-pager -u";
        self.shell(script).run().stdout
    }

    #[track_caller]
    fn records(&self) -> Records {
        let mut records = Records::default();
        if self.exists("/var/lib/berth/state/berth.db") {
            // Whoever breaks the database on purpose has nothing explained.
            let listed = self.command("python3").args(["-c", ROWS]).run().stdout;
            for line in listed.lines() {
                match line.strip_prefix("berth ") {
                    Some(container) => records.containers.insert(container.to_owned()),
                    None => records.rows.insert(line.to_owned()),
                };
            }
        }
        if self.exists("/usr/bin/agent") {
            let listed = self.command("agent").args(["list", "--json"]).ok().stdout;
            let agents: Vec<Agent> = serde_json::from_str(&listed)
                .unwrap_or_else(|error| panic!("`agent list --json` printed {listed}: {error}"));
            records.containers.extend(agents.into_iter().map(|agent| agent.container));
        }
        records
    }
}

/// Containers that tests make without Berth, and that it must leave alone.
const OPERATORS_PREFIX: &str = "op-";

impl Records {
    fn explain(&self, thing: &Leftover) -> bool {
        let by_row = thing.record.as_ref().is_some_and(|row| self.rows.contains(row));
        let by_container = thing.container.as_deref().is_some_and(|container| {
            container.starts_with(OPERATORS_PREFIX)
                || match container.strip_prefix('?') {
                    Some(slot) => self.containers.iter().any(|known| known.get(1..) == Some(slot)),
                    None => self.containers.contains(container),
                }
        });
        by_row || by_container
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(container: Option<&str>, row: Option<&str>) -> Leftover {
        let [container, record] = [container, row].map(|text| text.map(str::to_owned));
        Leftover { kind: "interface".into(), what: "x".into(), container, record }
    }

    fn records() -> Records {
        Records {
            containers: BTreeSet::from(["a12".to_owned()]),
            rows: BTreeSet::from(["preview 3".to_owned()]),
        }
    }

    #[test]
    fn things_of_a_recorded_container_or_row_are_explained() {
        for container in ["a12", "?12", "op-web"] {
            assert!(records().explain(&thing(Some(container), None)), "{container}");
        }
        assert!(records().explain(&thing(None, Some("preview 3"))));
    }

    #[test]
    fn things_of_other_containers_and_rows_or_of_none_are_not_explained() {
        for container in [Some("a1"), Some("p12"), Some("?1"), Some("?120"), None] {
            assert!(!records().explain(&thing(container, None)), "{container:?}");
        }
        for row in ["preview 30", "repository 3", "closure 3"] {
            assert!(!records().explain(&thing(None, Some(row))), "{row}");
        }
    }
}
