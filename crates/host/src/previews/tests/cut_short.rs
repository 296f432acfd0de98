//! Creations, restarts and removals that fail, hang, are interrupted or die, at
//! every point.

use berth_core::PreviewPhase;

use super::super::{CreateOptions, DeployError, PreviewError, UpdateOptions};
use super::bed::{Bed, Cut, never, options};
use crate::progress::Interrupt;

/// How many points an undisturbed create passes.
async fn points_of_a_create() -> usize {
    let bed = Bed::new().await;
    let before = bed.points();
    bed.create("main").await.expect("created");
    bed.points() - before
}

#[tokio::test]
async fn a_create_that_fails_anywhere_is_kept_and_can_be_tried_again() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::new().await;
        bed.world.fail_at(bed.points() + point);
        let created = bed.create("main").await;
        let when = bed.when("a create fails", point);
        if let Err(error) = created {
            assert!(error.on_one_line().contains("planned by the test"), "{when}: {}", error.on_one_line());
            if matches!(&error, PreviewError::Create { source, .. } if matches!(**source, DeployError::Repo(_)))
            {
                // Most often a slip of the fingers: nothing is kept.
                bed.assert_empty(&when).await;
                continue;
            }
            assert!(error.on_one_line().contains("preview update site-main"), "{when}");
            assert_eq!(bed.record("site-main").await.phase, PreviewPhase::Failed, "{when}");
        }
        assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
        bed.assert_agree(&when).await;
        bed.assert_updates_to("site-main", 1, &when).await;
        bed.destroy("site-main").await.expect("destroyed");
        bed.assert_empty(&when).await;
    }
}

#[tokio::test]
async fn a_create_that_fails_anywhere_leaves_nothing_when_it_is_not_to_be_kept() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::new().await;
        bed.world.fail_at(bed.points() + point);
        let options = CreateOptions { keeps_failed: false, ..options("main") };
        if bed.create_with(options, &never()).await.is_err() {
            bed.assert_empty(&bed.when("a create fails", point)).await;
        }
    }
}

/// Nothing was looked at before there was a site.
#[tokio::test]
async fn what_a_killed_process_half_wrote_of_the_first_site_is_removed() {
    let bed = Bed::new().await;
    let folder = bed.host.layout.caddy_dir();
    let half_written = folder.join(".site.caddy.2638-2");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(&half_written, "*.preview").expect("written");
    let report = bed.reconcile().await;
    assert_eq!(report.left, [""; 0]);
    assert!(!half_written.exists(), "{:?}", report.done);
    bed.assert_agree("after the repair").await;
}

#[tokio::test]
async fn a_create_that_dies_anywhere_is_cleaned_up_by_reconcile() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::new().await;
        bed.world.hang_at(bed.points() + point);
        let died = bed.until_it_hangs(bed.create("main")).await.is_none();
        let when = bed.when("a create dies", point);
        bed.world.settle();
        assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
        if died {
            bed.assert_empty(&when).await;
        }
    }
}

#[tokio::test]
async fn a_create_that_is_interrupted_anywhere_takes_everything_back() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::new().await;
        let (interrupter, interrupt) = Interrupt::new();
        let create = bed.create_with(options("main"), &interrupt);
        let created = bed.cut_short(Cut::Interrupted, point, &interrupter, create).await;
        let when = bed.when("a create is interrupted", point);
        bed.world.settle();
        match created {
            Some(Err(error)) => {
                assert!(Bed::is_interrupt(&error), "{when}: {}", error.on_one_line());
                if !error.is_interrupt() {
                    bed.destroy("site-main").await.expect("destroyed");
                }
                bed.assert_empty(&when).await;
            }
            Some(Ok(_)) => {}
            None => {
                assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
                bed.assert_empty(&when).await;
            }
        }
    }
}

#[tokio::test]
async fn a_destroy_that_fails_or_dies_anywhere_is_finished_by_the_next_one() {
    let points = {
        let bed = Bed::new().await;
        bed.create("main").await.expect("created");
        let before = bed.points();
        bed.destroy("site-main").await.expect("destroyed");
        bed.points() - before
    };
    for point in 0..points {
        for cut in [Cut::Fails, Cut::Dies] {
            let bed = Bed::new().await;
            bed.create("main").await.expect("created");
            bed.plan(cut, point);
            let destroyed = bed.until_it_hangs(bed.destroy("site-main")).await;
            let when = bed.when(&format!("a destroy is cut short ({cut:?})"), point);
            if let Some(Err(error)) = destroyed {
                assert!(error.on_one_line().contains("planned by the test"), "{when}: {error:?}");
            }
            bed.world.settle();
            bed.world.clear_faults();
            // Either way works: again by hand, or by the reconcile.
            if point % 2 == 0 {
                bed.destroy("site-main").await.unwrap_or_else(|error| panic!("{when}: {error:?}"));
            } else {
                assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
            }
            bed.assert_empty(&when).await;
        }
    }
}

#[tokio::test]
async fn a_restart_that_is_cut_short_anywhere_is_repaired_or_repeated() {
    let points = {
        let bed = Bed::new().await;
        bed.create("main").await.expect("created");
        let before = bed.points();
        bed.restart_until("site-main", &never()).await.expect("restarted");
        bed.points() - before
    };
    for point in 0..points {
        for cut in [Cut::Fails, Cut::Dies, Cut::Interrupted] {
            let bed = Bed::new().await;
            bed.create("main").await.expect("created");
            let (interrupter, interrupt) = Interrupt::new();
            let restart = bed.restart_until("site-main", &interrupt);
            let restarted = bed.cut_short(cut, point, &interrupter, restart).await;
            let when = bed.when(&format!("a restart is cut short ({cut:?})"), point);
            bed.world.settle();
            bed.world.clear_faults();
            let was_told = match restarted {
                Some(Ok(_)) | None => false,
                Some(Err(error)) => {
                    let is_right = if cut == Cut::Interrupted {
                        Bed::is_interrupt(&error)
                    } else {
                        error.on_one_line().contains("planned by the test")
                    };
                    assert!(is_right, "{when}: {}", error.on_one_line());
                    true
                }
            };
            assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
            bed.assert_agree(&when).await;
            if was_told {
                // Somebody has been told, and can look before trying again.
                bed.restart_until("site-main", &never()).await.expect("restarted");
            }
            bed.assert_serves("site-main", 1, &when).await;
        }
    }
}

#[tokio::test]
async fn a_second_try_that_is_cut_short_anywhere_keeps_the_preview() {
    let failed = async || {
        let bed = Bed::new().await;
        bed.world.service_fails("setup.service", true);
        bed.create("main").await.expect_err("it fails");
        bed.world.service_fails("setup.service", false);
        bed
    };
    let points = {
        let bed = failed().await;
        let before = bed.points();
        bed.update("site-main").await.expect("updated");
        bed.points() - before
    };
    for point in 0..points {
        for cut in [Cut::Fails, Cut::Dies, Cut::Interrupted] {
            let bed = failed().await;
            let (interrupter, interrupt) = Interrupt::new();
            let update = bed.update_with("site-main", UpdateOptions::default(), &interrupt);
            bed.cut_short(cut, point, &interrupter, update).await;
            let when = bed.when(&format!("a second try is cut short ({cut:?})"), point);
            bed.world.settle();
            bed.world.clear_faults();
            assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
            bed.assert_agree(&when).await;
            bed.assert_updates_to("site-main", 1, &when).await;
            bed.destroy("site-main").await.expect("destroyed");
            bed.assert_empty(&when).await;
        }
    }
}
