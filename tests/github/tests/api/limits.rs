use berth_github_double::{Command, FaultKind};
use berth_host::github::{GitHub, GitHubError};

use crate::bed::{Bed, site};

fn until(error: &GitHubError) -> jiff::Timestamp {
    match error {
        GitHubError::RateLimited { until } => *until,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_used_up_limit_is_told_and_no_call_is_sent_before_its_end() {
    let bed = Bed::new().await;
    bed.api.open_pulls(&site()).await.expect("a list");
    bed.run(Command::LimitCalls { remaining: 0 }).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("limited");
    let wait = until(&error).as_second() - bed.double.now().as_second();
    assert!((3590..=3600).contains(&wait), "{wait}");
    let sent = bed.calls().await.len();
    for _ in 0..3 {
        assert_eq!(until(&bed.api.open_pulls(&site()).await.expect_err("still")), until(&error));
    }
    assert_eq!(bed.calls().await.len(), sent, "none was sent");
    bed.advance(3601).await;
    bed.api.open_pulls(&site()).await.expect("a list again");
}

#[tokio::test]
async fn the_last_call_of_an_hour_closes_the_gate_behind_it() {
    let bed = Bed::new().await;
    bed.api.open_pulls(&site()).await.expect("a list");
    bed.run(Command::LimitCalls { remaining: 1 }).await;
    bed.run(Command::Push {
        repo: "acme/site".into(),
        branch: "fix".into(),
        files: std::collections::BTreeMap::new(),
        message: None,
        by: None,
    })
    .await;
    bed.open("fix").await;
    assert_eq!(bed.api.open_pulls(&site()).await.expect("the last one").len(), 1);
    let sent = bed.calls().await.len();
    until(&bed.api.open_pulls(&site()).await.expect_err("used up"));
    assert_eq!(bed.calls().await.len(), sent);
}

#[tokio::test]
async fn a_secondary_limit_is_kept_with_and_without_its_time() {
    for (after, least, most) in [(Some(90), 85, 90), (None, 55, 60)] {
        let bed = Bed::new().await;
        bed.fault("GET", "/pulls", 1, FaultKind::SecondaryLimit(after)).await;
        let error = bed.api.open_pulls(&site()).await.expect_err("limited");
        let wait = until(&error).as_second() - bed.double.now().as_second();
        assert!((least..=most).contains(&wait), "{wait}");
        let sent = bed.calls().await.len();
        until(&bed.api.open_pulls(&site()).await.expect_err("still"));
        assert_eq!(bed.calls().await.len(), sent);
        bed.advance(91).await;
        bed.api.open_pulls(&site()).await.expect("a list again");
    }
}
