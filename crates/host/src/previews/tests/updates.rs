//! Updates that fail, hang, are interrupted or die, at every point: the old
//! site serves on.

use super::super::{UpdateKind, UpdateOptions};
use super::bed::{Bed, Cut};
use crate::progress::Interrupt;

/// What is pushed for an update of this kind.
fn pushed(kind: UpdateKind) -> &'static str {
    match kind {
        UpdateKind::Nothing | UpdateKind::Code => "one",
        UpdateKind::Switched | UpdateKind::Deployed => "two",
    }
}

async fn points_of_an_update(kind: UpdateKind) -> usize {
    let (bed, _) = Bed::deployed(pushed(kind)).await;
    let before = bed.points();
    assert_eq!(bed.update("site-main").await.expect("updated").kind, kind);
    bed.points() - before
}

async fn old_site_serves_on(kind: UpdateKind, cut: Cut) {
    for point in 0..points_of_an_update(kind).await {
        let (bed, before) = Bed::deployed(pushed(kind)).await;
        let (interrupter, interrupt) = Interrupt::new();
        let update = bed.update_with("site-main", UpdateOptions::default(), &interrupt);
        let updated = bed.cut_short(cut, point, &interrupter, update).await;
        let when = bed.when(&format!("an update ({kind:?}) is cut short ({cut:?})"), point);
        bed.world.settle();
        bed.world.clear_faults();
        match &updated {
            Some(Ok(_)) => bed.assert_serves("site-main", 2, &when).await,
            Some(Err(error)) => {
                let is_right = match cut {
                    Cut::Interrupted => Bed::is_interrupt(error),
                    Cut::Fails | Cut::Dies => error.on_one_line().contains("planned by the test"),
                };
                assert!(is_right, "{when}: {}", error.on_one_line());
                bed.assert_serves("site-main", 1, &when).await;
                let record = bed.record("site-main").await;
                assert_eq!((record.phase, record.berth), (before.phase, before.berth), "{when}");
                assert!(record.reason.is_some(), "{when}");
            }
            None => {}
        }
        assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
        bed.assert_agree(&when).await;
        let number = if bed.record("site-main").await.commit == before.commit { 1 } else { 2 };
        bed.assert_serves("site-main", number, &format!("after a reconcile {when}")).await;
        bed.assert_updates_to("site-main", 2, &when).await;
        bed.destroy("site-main").await.expect("destroyed");
        bed.assert_empty(&when).await;
    }
}

#[tokio::test]
async fn an_update_of_the_code_that_fails_anywhere_leaves_the_old_site() {
    old_site_serves_on(UpdateKind::Code, Cut::Fails).await;
}

#[tokio::test]
async fn an_update_of_the_code_that_dies_anywhere_is_taken_back_by_reconcile() {
    old_site_serves_on(UpdateKind::Code, Cut::Dies).await;
}

#[tokio::test]
async fn an_update_of_the_code_that_is_interrupted_anywhere_leaves_the_old_site() {
    old_site_serves_on(UpdateKind::Code, Cut::Interrupted).await;
}

#[tokio::test]
async fn a_switch_that_fails_anywhere_leaves_the_old_site() {
    old_site_serves_on(UpdateKind::Switched, Cut::Fails).await;
}

#[tokio::test]
async fn a_switch_that_dies_anywhere_is_taken_back_by_reconcile() {
    old_site_serves_on(UpdateKind::Switched, Cut::Dies).await;
}

#[tokio::test]
async fn a_switch_that_is_interrupted_anywhere_leaves_the_old_site() {
    old_site_serves_on(UpdateKind::Switched, Cut::Interrupted).await;
}
