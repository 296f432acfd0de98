//! One pull request, and what is told of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use berth_core::lane::News;
use berth_core::policy::PullState::{Closed, Open};

use super::bed::{Bed, commit, number, repo, title, until};
use crate::deploy::WayOut;
use crate::intake::Pass;

#[tokio::test]
async fn a_pull_request_gets_its_preview_follows_pushes_and_leaves_nothing() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    for (id, head) in [(1, 10), (2, 11)] {
        bed.pull(1, head, Open);
        bed.stores_change(id, 1);
        daemon.settles().await;
        assert_eq!(bed.sites.site(1).expect("a site").commit, Some(commit(head)));
        assert_eq!(title(&bed, 1), "### Preview: ready");
    }
    bed.pull(1, 11, Closed);
    bed.stores_change(3, 1);
    daemon.settles().await;
    assert_eq!(bed.sites.site(1), None);
    assert_eq!(title(&bed, 1), "### Preview: removed");
    let comments = bed.world.github_comments(&repo(), number(1));
    let titles: Vec<&str> =
        comments[0].texts.iter().map(|text| text.lines().nth(1).expect("a title")).collect();
    assert_eq!(titles[..2], ["### Preview: building", "### Preview: ready"]);
    assert!(bed.world.github_deployments().is_empty());
}

#[tokio::test]
async fn a_push_storm_makes_three_builds_at_most() {
    let bed = Bed::new();
    bed.sites.take(Duration::from_millis(200));
    let daemon = bed.daemon().await;
    let storm = async {
        for push in 0..100 {
            bed.pull(1, 100 + push, Open);
            bed.stores_change(push, 1);
            daemon.intake.pass().await.expect("taken");
        }
        daemon.until_quiet().await;
    };
    tokio::select! {
        () = daemon.works() => {}
        () = storm => {}
    }
    assert_eq!(bed.sites.site(1).expect("a site").commit, Some(commit(199)));
    assert!(bed.sites.builds(1) <= 3, "{} builds", bed.sites.builds(1));
}

#[tokio::test]
async fn a_close_during_a_build_interrupts_it_and_leaves_nothing() {
    let bed = Bed::new();
    bed.sites.take(Duration::from_hours(1));
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    let closing = async {
        daemon.intake.pass().await.expect("taken");
        until(|| bed.sites.builds(1) == 1).await;
        bed.pull(1, 1, Closed);
        bed.stores_change(2, 1);
        daemon.intake.pass().await.expect("taken");
        daemon.until_quiet().await;
    };
    tokio::select! {
        () = daemon.works() => {}
        () = closing => {}
    }
    assert_eq!(bed.sites.site(1), None);
    assert_eq!(title(&bed, 1), "### Preview: removed");
}

#[tokio::test]
async fn a_stop_interrupts_deployments_and_the_next_daemon_goes_on() {
    let bed = Bed::new();
    bed.sites.take(Duration::from_hours(1));
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    daemon.intake.pass().await.expect("taken");
    let stopping = async {
        until(|| bed.sites.builds(1) == 1).await;
        daemon.interrupter.interrupt();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = daemon.works() => {}
        () = stopping => {}
    }
    assert_eq!(bed.sites.site(1), None, "it was taken back");
    drop(daemon);
    bed.sites.take(Duration::ZERO);
    let next = bed.daemon().await;
    next.settles().await;
    assert_eq!(bed.sites.site(1).expect("a site").commit, Some(commit(1)));
}

#[tokio::test]
async fn a_stranger_is_held_until_somebody_who_may_write_approves_this_commit() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(4, 1, Open);
    bed.stores_change(1, 4);
    daemon.settles().await;
    assert_eq!(title(&bed, 4), "### Preview: waiting for approval");
    for (id, by, of) in [(2, "eve", 1), (3, "grace", 2)] {
        bed.stores_comment(id, 4, by, &format!("/preview {}", commit(of)));
        daemon.settles().await;
        assert_eq!(bed.sites.site(4), None, "{by} approved {of}");
    }
    bed.stores_comment(4, 4, "grace", &format!("/preview {}", commit(1)));
    daemon.settles().await;
    let site = bed.sites.site(4).expect("it is approved");
    assert!(!site.is_trusted);
    bed.pull(4, 5, Open);
    bed.stores_change(5, 4);
    daemon.settles().await;
    assert_eq!(bed.sites.site(4).expect("the approved one").commit, Some(commit(1)));
    assert_eq!(title(&bed, 4), "### Preview: waiting for approval");
}

#[tokio::test]
async fn commands_are_obeyed_from_those_who_may() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    daemon.settles().await;
    for (id, by, text, builds, is_there) in [
        (2, "eve", "/preview destroy", 1, true),
        (3, "grace", "/preview rebuild", 2, true),
        (3, "grace", "/preview rebuild", 2, true),
        (4, "grace", "/preview destroy", 2, false),
        (5, "grace", "/preview", 3, true),
    ] {
        bed.stores_comment(id, 1, by, text);
        daemon.settles().await;
        let now = (bed.sites.builds(1), bed.sites.site(1).is_some());
        assert_eq!(now, (builds, is_there), "after {text} of {by}");
    }
    assert_eq!(daemon.compares().await, 0);
}

#[tokio::test]
async fn what_the_repository_does_wrong_is_told_once_and_waits_for_a_push() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.sites.fail_next(WayOut::Push);
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    daemon.settles().await;
    assert_eq!((title(&bed, 1).as_str(), bed.sites.builds(1)), ("### Preview: failed", 1));
    assert_eq!(daemon.compares().await, 0);
    bed.pull(1, 2, Open);
    bed.stores_change(2, 1);
    daemon.settles().await;
    assert_eq!((title(&bed, 1).as_str(), bed.sites.builds(1)), ("### Preview: ready", 2));
}

#[tokio::test]
async fn other_failures_are_tried_again() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.sites.fail_next(WayOut::Retry);
    bed.sites.fail_next(WayOut::Retry);
    bed.world.fail_next("github.pull");
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    daemon.settles().await;
    assert_eq!((title(&bed, 1).as_str(), bed.sites.builds(1)), ("### Preview: ready", 3));
}

#[tokio::test]
async fn what_github_was_not_told_is_told_after_a_comparison() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.world.fail_always("github.put_comment");
    bed.stores_change(1, 1);
    daemon.settles().await;
    assert!(bed.sites.site(1).is_some() && bed.comment(1).is_none());
    bed.world.clear_faults();
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert_eq!(title(&bed, 1), "### Preview: ready");
    assert_eq!((daemon.compares().await, bed.sites.builds(1)), (0, 1));
}

#[tokio::test]
async fn without_any_delivery_a_comparison_is_enough() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert!(bed.sites.site(1).is_some());
    bed.pull(1, 1, Closed);
    assert_eq!(daemon.compares().await, 1);
    daemon.settles().await;
    assert!(bed.sites.site(1).is_none());
    assert_eq!(daemon.compares().await, 0);
}

#[tokio::test]
async fn a_hostile_spool_stops_nothing() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    let name = |id| bed.spool().join(format!("{id:020}-x.delivery"));
    std::os::unix::fs::symlink("/etc/passwd", name(1)).expect("a link");
    std::fs::write(name(2), "rubbish").expect("written");
    bed.stores(3, "pull_request", "{}");
    bed.stores(4, "ping", "{}");
    // A signature of another body.
    bed.stores(5, "ping", "{ }");
    let stored = std::fs::read_dir(bed.spool()).expect("listed").flatten().map(|entry| entry.path());
    let forged = stored.max().expect("the last one");
    let text = std::fs::read_to_string(&forged).expect("read").replace("{ }", "{1}");
    std::fs::write(forged, text).expect("written");
    let first = daemon.intake.pass().await.expect("count");
    assert_eq!(first, Pass { taken: 1, again: 0, refused: 4 });
    assert_eq!(daemon.intake.pass().await.expect("count"), Pass::default());
    let outcome = daemon.state.delivery_outcome(&"d-4".parse().expect("an id")).await;
    assert_eq!(outcome.expect("read").as_deref(), Some("a ping"));
}

#[tokio::test]
async fn a_nudge_makes_the_spool_be_looked_into_at_once() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    let looks = AtomicUsize::new(0);
    let count = |_: Pass| {
        looks.fetch_add(1, Ordering::SeqCst);
    };
    let nudging = async {
        let begun = Instant::now();
        for nudges in 1..=60 {
            until(|| looks.load(Ordering::SeqCst) == nudges).await;
            daemon.lanes.nudge();
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "that is half the time of 60 pauses");
    };
    tokio::select! {
        () = daemon.intake.run(&daemon.stop, &|| (), &count) => {}
        () = nudging => {}
    }
}

#[tokio::test]
async fn dead_lanes_wait_for_a_person() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.sites.fail_next(WayOut::Retry);
    let record = daemon.state.hear(&repo(), number(1), News::Delivery, jiff::Timestamp::now()).await;
    let id = record.expect("recorded").id;
    let change = |lane: &mut berth_core::lane::Lane| lane.attempts = 999;
    daemon.state.change_lane(id, &[], change).await.expect("changed");
    let dead = async {
        while !daemon.state.lane(id).await.expect("read").expect("there").lane.is_dead {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = daemon.works() => {}
        () = dead => {}
    }
    assert_eq!(daemon.compares().await, 0);
    daemon.state.hear(&repo(), number(1), News::Retry, jiff::Timestamp::now()).await.expect("recorded");
    daemon.settles().await;
    assert!(bed.sites.site(1).is_some());
}
