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
const SETTLE_DEADLINE: Duration = Duration::from_secs(30);

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

/// What `agent list --json` says of one agent, as far as it explains things.
#[derive(Debug, Deserialize)]
struct Record {
    container: String,
    closure: String,
}

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
        let mut things: Vec<_> = things.into_iter().filter(|thing| !is_explained(thing, &records)).collect();
        remove_current_closure(&mut things);
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
            assert!(Instant::now() < end, "the host has things that no record explains:\n{seen}");
            // Only what is there every time is left; the rest was passing by.
            let now = self.leftovers();
            seen.things.retain(|thing| now.things.contains(thing));
        }
    }

    #[track_caller]
    fn records(&self) -> Vec<Record> {
        if !self.exists("/usr/bin/agent") {
            return Vec::new();
        }
        let listed = self.command("agent").args(["list", "--json"]).ok().stdout;
        serde_json::from_str(&listed)
            .unwrap_or_else(|error| panic!("`agent list --json` printed {listed}: {error}"))
    }
}

/// Containers that tests make without Berth, and that it must leave alone.
const OPERATORS_PREFIX: &str = "op-";

fn is_explained(thing: &Leftover, records: &[Record]) -> bool {
    if thing.container.as_deref().is_some_and(|container| container.starts_with(OPERATORS_PREFIX)) {
        return true;
    }
    let by_container =
        thing.container.as_deref().is_some_and(|container| match container.strip_prefix('?') {
            Some(slot) => records.iter().any(|record| record.container.get(1..) == Some(slot)),
            None => records.iter().any(|record| record.container == container),
        });
    let by_closure =
        thing.kind == GC_ROOT && records.iter().any(|record| thing.what.ends_with(&record.closure));
    by_container || by_closure
}

const GC_ROOT: &str = "gc root";

/// One closure is pinned without any agent: the current one, which is the
/// youngest, so the last when names end in growing numbers.
fn remove_current_closure(things: &mut Vec<Leftover>) {
    let number = |thing: &Leftover| -> Option<u64> {
        let path = thing.what.split(' ').next()?;
        path.rsplit_once('-')?.1.parse().ok()
    };
    let current = (0..things.len())
        .filter(|index| things[*index].kind == GC_ROOT)
        .max_by_key(|index| number(&things[*index]));
    if let Some(current) = current {
        things.remove(current);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing(kind: &str, what: &str, container: Option<&str>) -> Leftover {
        Leftover { kind: kind.into(), what: what.into(), container: container.map(str::to_owned) }
    }

    fn record() -> Record {
        Record { container: "a12".into(), closure: "/nix/store/abc-system".into() }
    }

    #[test]
    fn things_of_a_recorded_container_are_explained() {
        for container in ["a12", "?12"] {
            assert!(is_explained(&thing("interface", "ve-a12", Some(container)), &[record()]), "{container}");
        }
    }

    #[test]
    fn things_of_other_containers_or_of_none_are_not_explained() {
        for container in [Some("a1"), Some("p12"), Some("?1"), Some("?120"), None] {
            assert!(!is_explained(&thing("interface", "x", container), &[record()]), "{container:?}");
        }
    }

    #[test]
    fn gc_roots_of_used_closures_and_of_the_current_one_are_explained() {
        let used = thing(GC_ROOT, "/var/lib/berth/gcroots/closure-1 to /nix/store/abc-system", None);
        assert!(is_explained(&used, &[record()]));
        let old = thing(GC_ROOT, "/var/lib/berth/gcroots/closure-9 to /nix/store/old-system", None);
        let current = thing(GC_ROOT, "/var/lib/berth/gcroots/closure-10 to /nix/store/new-system", None);
        let mut things = vec![current, old.clone()];
        remove_current_closure(&mut things);
        assert_eq!(things, [old]);
    }
}
