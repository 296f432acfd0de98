//! Deliveries between `preview-webhook` and `berthd`: what waits, and what was
//! put aside. Only names are looked at, as the folder is a stranger's.

use std::fs;
use std::io;
use std::path::Path;

use berth_core::delivery::SpoolName;
use jiff::{SignedDuration, Timestamp};

use super::counted;
use crate::doctor::Finding;
use crate::host::Host;

const SPOOL: &str = "spool";

/// `berthd` looks twice a second.
const LONG: SignedDuration = SignedDuration::from_mins(1);
/// So many names are looked at.
const ENTRIES_MAX: usize = 20_000;

pub(super) fn check(host: &Host) -> Vec<Finding> {
    let folder = &host.config.daemon.spool;
    let mut findings = vec![match waiting(folder) {
        Ok(names) => judge(&names, (host.now)()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::warning(
            SPOOL,
            format!("`{}` is not there: no delivery was ever taken", folder.display()),
            "start preview-webhook, which makes it, or set `daemon.spool` to where it stores",
        ),
        Err(error) => Finding::unknown(SPOOL, &error),
    }];
    findings.extend(aside(&host.layout.rejected_dir()));
    findings
}

/// The deliveries in a folder.
fn waiting(folder: &Path) -> io::Result<Vec<SpoolName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    names.sort();
    Ok(names)
}

fn judge(names: &[SpoolName], now: Timestamp) -> Finding {
    let Some(oldest) = names.first() else { return Finding::ok(SPOOL, "no delivery waits") };
    let count = counted(names.len(), "delivery", "deliveries");
    let came =
        i64::try_from(oldest.micros()).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    match came.map(|came| now.duration_since(came)) {
        Some(age) if age <= LONG => Finding::ok(SPOOL, format!("waiting for berthd: {count}")),
        Some(age) => Finding::error(
            SPOOL,
            format!("berthd does not take what waits: {count}, the oldest for {} minutes", age.as_mins()),
            "look at the log of berthd: it may not run, or fail at its records",
        ),
        None => Finding::error(SPOOL, "a name in it is of no time", "look at what lies there"),
    }
}

/// What `berthd` could not take. A folder that is not there has nothing.
fn aside(folder: &Path) -> Option<Finding> {
    let count = fs::read_dir(folder).map_or(0, Iterator::count);
    (count > 0).then(|| {
        Finding::warning(
            SPOOL,
            format!(
                "in `{}` was put aside what is no delivery: {}",
                folder.display(),
                counted(count, "file", "files")
            ),
            "the log of berthd says why: if it is the signature, both programs have different secrets; \
             remove them when you know",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn told(names: &[&str]) -> String {
        let names: Vec<SpoolName> = names.iter().map(|name| name.parse().expect("a name")).collect();
        let finding = judge(&names, Timestamp::from_second(NOW).expect("a time"));
        format!("{:?}: {}", finding.severity, finding.message)
    }

    #[test]
    fn what_waits_for_long_is_not_taken() {
        assert_eq!(told(&[]), "Ok: no delivery waits");
        assert_eq!(told(&["00001799999999000000-a.delivery"]), "Ok: waiting for berthd: 1 delivery");
        insta::assert_snapshot!(
            told(&["00001799999000000000-a.delivery", "00001799999999000000-b.delivery"]),
            @"Error: berthd does not take what waits: 2 deliveries, the oldest for 16 minutes"
        );
        assert_eq!(told(&["18446744073709551615-a.delivery"]), "Error: a name in it is of no time");
    }

    #[test]
    fn what_was_put_aside_is_counted_and_other_names_in_the_spool_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(aside(folder.path()).is_none());
        assert!(aside(&folder.path().join("none")).is_none());
        for name in ["00001799999000000000-a.delivery", ".incoming-1", "x.delivery"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        assert_eq!(waiting(folder.path()).expect("listed").len(), 1);
        let finding = aside(folder.path()).expect("found");
        assert!(
            finding.message.ends_with("was put aside what is no delivery: 3 files"),
            "{}",
            finding.message
        );
    }
}
