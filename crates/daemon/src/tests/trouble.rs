//! GitHub that does not let Berth in, has moved or lost something, and people
//! who delete what Berth wrote: no preview goes for that, and it is told.

use std::time::Duration;

use berth_core::lane::News;
use berth_core::policy::PullState::{Closed, Open};

use super::bed::{Bed, Daemon, number, repo, title};

async fn with_preview(bed: &Bed) -> Daemon {
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    daemon.settles().await;
    daemon
}

/// Compares and works until the lane says this.
async fn until_told(daemon: &Daemon, problem: &str) {
    let told = async {
        daemon.compares().await;
        daemon.intake.pass().await.expect("taken");
        loop {
            let lanes = daemon.state.lanes().await.expect("read");
            let is_told =
                |error: &Option<String>| error.as_ref().is_some_and(|error| error.contains(problem));
            if lanes.iter().any(|record| is_told(&record.lane.error) && record.lane.unasked > 3) {
                assert!(lanes.iter().all(|record| !record.lane.is_dead), "{lanes:?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = daemon.works() => {}
        told = tokio::time::timeout(Duration::from_secs(10), told) => told.expect("in time"),
    }
}

#[tokio::test]
async fn a_revoked_key_keeps_previews_is_told_in_their_jobs_and_heals_by_itself() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    bed.world.github_revokes(true);
    until_told(&daemon, "does not accept the credentials").await;
    // Not what was closed meanwhile either: nobody knows.
    bed.pull(1, 1, Closed);
    bed.stores_change(2, 1);
    until_told(&daemon, "does not accept the credentials").await;
    assert!(bed.sites.site(1).is_some());
    bed.world.github_revokes(false);
    daemon.settles().await;
    assert_eq!((bed.sites.site(1), title(&bed, 1).as_str()), (None, "### Preview: removed"));
}

#[tokio::test]
async fn a_repository_that_github_hides_keeps_its_previews_and_is_told() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    bed.world.github_hides(&repo());
    until_told(&daemon, "or does not show it").await;
    assert!(bed.sites.site(1).is_some());
    bed.world.github_has(&repo());
    daemon.settles().await;
    assert!(bed.sites.site(1).is_some());
    assert_eq!((bed.sites.builds(1), title(&bed, 1).as_str()), (1, "### Preview: ready"));
}

#[tokio::test]
async fn of_a_repository_that_is_gone_nothing_waits_once_a_person_removed_the_preview() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    bed.world.github_hides(&repo());
    until_told(&daemon, "or does not show it").await;
    bed.sites.loses(1);
    daemon.settles().await;
    assert_eq!((daemon.compares().await, bed.sites.site(1)), (0, None));
    // A pull request of which nobody was told waits, so that somebody sees why.
    bed.stores_change(2, 2);
    until_told(&daemon, "or does not show it").await;
}

#[tokio::test]
async fn a_preview_whose_repository_left_the_list_goes_and_that_is_told_once() {
    let bed = Bed::new();
    drop(with_preview(&bed).await);
    let daemon = bed.daemon_for("acme/other").await;
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert_eq!((bed.sites.site(1), title(&bed, 1).as_str()), (None, "### Preview: none"));
    let text = bed.comment(1).expect("a comment");
    assert!(text.contains("There is no preview: this repository gets no previews."), "{text}");
    assert_eq!(daemon.compares().await, 0);
    drop(daemon);
    let daemon = bed.daemon().await;
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert_eq!(title(&bed, 1), "### Preview: ready");
}

#[tokio::test]
async fn a_preview_whose_repository_left_the_list_and_is_not_shown_goes_without_a_word() {
    let bed = Bed::new();
    drop(with_preview(&bed).await);
    bed.world.github_hides(&repo());
    let daemon = bed.daemon_for("acme/other").await;
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert_eq!(bed.sites.site(1), None);
    assert_eq!(daemon.compares().await, 0);
}

#[tokio::test]
async fn a_preview_that_berthd_never_followed_is_left_alone() {
    let bed = Bed::new();
    bed.sites.has(1);
    let daemon = bed.daemon_for("acme/other").await;
    assert_eq!(daemon.compares().await, 0);
    daemon.settles().await;
    assert!(bed.sites.site(1).is_some());
}

#[tokio::test]
async fn a_pull_request_that_github_has_no_more_loses_its_preview() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    bed.world.github_loses_pull(&repo(), number(1));
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert_eq!(bed.sites.site(1), None);
    assert_eq!(daemon.compares().await, 0);
}

#[tokio::test]
async fn a_comment_that_a_person_deleted_is_written_anew_when_there_is_news_only() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    let own = bed.world.github_comments(&repo(), number(1)).remove(0).id;
    bed.world.github_deletes_comment(own);
    assert_eq!((daemon.compares().await, bed.comment(1)), (0, None));
    bed.pull(1, 2, Open);
    bed.stores_change(2, 1);
    daemon.settles().await;
    assert_eq!(title(&bed, 1), "### Preview: ready");
}

#[tokio::test]
async fn a_limit_is_waited_for_and_counts_as_no_attempt() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(300);
    bed.world.github_limits(Some(until));
    daemon.state.hear(&repo(), number(1), News::Delivery, jiff::Timestamp::now()).await.expect("recorded");
    let waited = async {
        while daemon.state.lanes().await.expect("read")[0].lane.next_at.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bed.world.github_limits(None);
        daemon.until_quiet().await;
    };
    tokio::select! {
        () = daemon.works() => {}
        waited = tokio::time::timeout(Duration::from_secs(10), waited) => waited.expect("in time"),
    }
    assert!(jiff::Timestamp::now() >= until && bed.sites.builds(1) == 1);
}
