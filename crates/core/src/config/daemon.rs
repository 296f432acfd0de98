//! What concerns `berthd`: the section `[daemon]`.

use std::path::PathBuf;

use jiff::SignedDuration;

use super::check_absolute;
use super::reader::Section;

/// The most of anything that is done at the same time.
const MOST: u32 = 64;

/// How much `berthd` does at once, and how often it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonConfig {
    /// So many pull requests are worked on at the same time.
    pub workers: u32,
    /// So many containers are started at the same time, as after a reboot.
    pub starts: u32,
    /// After so many failures in a row a pull request waits for somebody.
    pub attempts: u32,
    /// How often records and host are made equal.
    pub reconcile: SignedDuration,
    /// How often all open pull requests are compared with all previews.
    pub compare: SignedDuration,
    /// How long deployments under way may take back what they did, when the
    /// daemon is to end.
    pub shutdown: SignedDuration,
    /// The folder in which `preview-webhook` stores deliveries.
    pub spool: PathBuf,
}

/// Reads the section; one that is missing is the defaults.
pub(super) fn daemon(top: &mut Section) -> DaemonConfig {
    top.section("daemon", |section| DaemonConfig {
        workers: count(section, "workers").unwrap_or(2),
        starts: count(section, "starts").unwrap_or(4),
        attempts: count(section, "attempts").unwrap_or(10),
        reconcile: section.duration("reconcile").unwrap_or(SignedDuration::from_mins(1)),
        compare: section.duration("compare").unwrap_or(SignedDuration::from_mins(5)),
        shutdown: section.duration("shutdown").unwrap_or(SignedDuration::from_mins(1)),
        spool: section
            .checked("spool", check_absolute)
            .map_or_else(|| "/var/lib/berth-webhook/spool".into(), Into::into),
    })
}

fn count(section: &mut Section, key: &'static str) -> Option<u32> {
    let count: u32 = section.parsed(key)?;
    if (1..=MOST).contains(&count) {
        return Some(count);
    }
    section.problem(key, format!("must be a whole number from 1 to {MOST}"));
    None
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn every_key_has_a_default_and_every_bound_is_told() {
        let daemon = Config::parse("").expect("the defaults").daemon;
        assert_eq!((daemon.workers, daemon.starts, daemon.attempts), (2, 4, 10));
        assert_eq!(daemon.compare, SignedDuration::from_mins(5));
        let text = "[daemon]\nworkers = 0\nstarts = 65\ncompare = \"0s\"\nspool = \"spool\"";
        insta::assert_snapshot!(Config::parse(text).expect_err("a bad file"), @r"
        the configuration has 4 problems:
          `daemon.workers`: must be a whole number from 1 to 64
          `daemon.starts`: must be a whole number from 1 to 64
          `daemon.compare`: `0s` is no duration: write such as `30s` or `2m`
          `daemon.spool`: `spool` is no absolute path
        ");
    }
}
