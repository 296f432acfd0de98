//! What berthd has to do for pull requests and cannot.

use berth_core::lane::Lane;

use super::Finding;
use crate::host::Host;
use crate::state::LaneRecord;

const JOBS: &str = "jobs";
/// GitHub fails for a moment now and then.
const UNASKED_MIN: u32 = 3;

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    if host.config.github.is_none() {
        return Vec::new();
    }
    match host.state.lanes().await {
        Ok(records) => findings(&records),
        Err(error) => vec![Finding::unknown(JOBS, &error)],
    }
}

fn findings(records: &[LaneRecord]) -> Vec<Finding> {
    let all = |is_so: fn(&Lane) -> bool| -> Vec<&LaneRecord> {
        records.iter().filter(|record| record.lane.is_dirty() && is_so(&record.lane)).collect()
    };
    let (dead, unasked) = (all(|lane| lane.is_dead), all(|lane| lane.unasked >= UNASKED_MIN));
    let mut findings = Vec::new();
    if let Some(first) = unasked.first() {
        let (error, count) =
            (first.lane.error.as_deref().unwrap_or("nobody knows why"), pulls(unasked.len()));
        let way_out = "mend what it names; berthd goes on asking by itself, and keeps the previews";
        findings.push(Finding::error(
            JOBS,
            format!("GitHub cannot be asked about {count}: {error}"),
            way_out,
        ));
    }
    if !dead.is_empty() {
        let message = format!("berthd has given up on {}", pulls(dead.len()));
        findings.push(Finding::warning(JOBS, message, "see `preview jobs`, and then `preview retry JOB`"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(JOBS, "no pull request waits for a person"));
    }
    findings
}

fn pulls(count: usize) -> String {
    if count == 1 { "1 pull request".to_owned() } else { format!("{count} pull requests") }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::doctor::Severity;
    use crate::state::{LaneId, Told};

    fn record(id: i64, lane: Lane) -> LaneRecord {
        LaneRecord {
            id: LaneId::from(id),
            repo: "acme/site".parse().expect("a repository"),
            pull: u32::try_from(id).expect("small").try_into().expect("a number"),
            lane,
            told: Told::default(),
            heard_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_waits_for_a_person_is_told() {
        let dirty = || Lane { generation: 1, ..Lane::default() };
        let error = Some("GitHub does not accept the credentials for pull request 1".to_owned());
        let mut records = vec![record(1, dirty()), record(2, Lane { unasked: 1, ..dirty() })];
        assert_eq!(findings(&records)[0].severity, Severity::Ok);
        records.push(record(3, Lane { unasked: 3, error, ..dirty() }));
        records.push(record(4, Lane { is_dead: true, ..dirty() }));
        records.push(record(5, Lane { is_dead: true, ..dirty() }));
        let told: Vec<String> = findings(&records)
            .into_iter()
            .map(|one| format!("{:?}: {}; {}", one.severity, one.message, one.way_out.unwrap_or_default()))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        Error: GitHub cannot be asked about 1 pull request: GitHub does not accept the credentials for pull request 1; mend what it names; berthd goes on asking by itself, and keeps the previews
        Warning: berthd has given up on 2 pull requests; see `preview jobs`, and then `preview retry JOB`
        ");
    }
}
