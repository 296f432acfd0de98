//! Operations that fail, hang, are interrupted or die, at every point.

use std::time::Duration;

use berth_core::{Phase, UnitState};

use super::super::AgentError;
use super::bed::{Bed, container};
use crate::progress::Interrupt;

/// Long enough to undo anything here.
const DEAF: Duration = Duration::from_millis(200);

/// How many points an undisturbed create passes.
async fn points_of_a_create() -> usize {
    let bed = Bed::with_closure().await;
    let before = bed.points();
    bed.create("one").await.expect("created");
    bed.points() - before
}

#[tokio::test]
async fn a_create_that_fails_anywhere_leaves_nothing() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::with_closure().await;
        bed.world.fail_at(bed.points() + point);
        let created = bed.create("one").await;
        let when = format!("when a create fails at {:?}", bed.world.passed().get(bed.points() - 1));
        if created.is_err() {
            bed.assert_empty(&format!("{when} (point {point})")).await;
        } else {
            // What only tells people something does not decide.
            assert_eq!(bed.world.unit_state(container("a1")), UnitState::Active, "{when}");
        }
    }
}

#[tokio::test]
async fn a_create_that_dies_anywhere_is_cleaned_up_by_reconcile() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::with_closure().await;
        bed.world.hang_at(bed.points() + point);
        let died = bed.until_it_hangs(bed.create("one")).await.is_none();
        bed.world.settle();
        let report = bed.reconcile().await;
        let when = format!("when a create dies at point {point}");
        assert_eq!(report.left, [""; 0], "{when}");
        if died {
            bed.assert_empty(&when).await;
        }
        assert_eq!(bed.create("two").await.expect("created").phase, Phase::Running, "{when}");
    }
}

#[tokio::test]
async fn a_create_that_is_interrupted_anywhere_takes_everything_back() {
    for point in 0..points_of_a_create().await {
        let bed = Bed::with_closure().await;
        bed.world.hang_at(bed.points() + point);
        let (interrupter, interrupt) = Interrupt::new();
        let create = bed.create_until("one", &interrupt);
        let interrupting = async {
            bed.hang().await;
            interrupter.interrupt();
            // Outside the plan nothing listens, and nothing is on the host.
            tokio::time::sleep(DEAF).await;
        };
        let outcome = tokio::select! {
            created = create => Some(created),
            () = interrupting => None,
        };
        let when = format!("when a create is interrupted at point {point}");
        match outcome {
            Some(Err(error)) => {
                // Looking at the host cannot hang: there it fails instead.
                let is_look = bed.world.passed().last().is_some_and(|point| point.call == "systemd.limited");
                assert!(error.is_interrupt() || is_look, "{when}: {error}");
                bed.world.settle();
                bed.assert_empty(&when).await;
            }
            Some(Ok(_)) => {}
            None => {
                bed.reconcile().await;
                bed.assert_empty(&when).await;
            }
        }
    }
}

#[tokio::test]
async fn a_destroy_that_fails_or_dies_anywhere_is_finished_by_the_next_one() {
    let points = {
        let bed = Bed::with_closure().await;
        bed.create("one").await.expect("created");
        let before = bed.points();
        bed.destroy("one").await.expect("destroyed");
        bed.points() - before
    };
    for point in 0..points {
        for dies in [false, true] {
            let bed = Bed::with_closure().await;
            bed.create("one").await.expect("created");
            let at = bed.points() + point;
            if dies {
                bed.world.hang_at(at);
            } else {
                bed.world.fail_at(at);
            }
            let _ = bed.until_it_hangs(bed.destroy("one")).await;
            bed.world.settle();
            let when = format!("when a destroy is cut short at point {point} (dies: {dies})");
            // Either way works: again by hand, or by the reconcile.
            if point % 2 == 0 {
                bed.destroy("one").await.unwrap_or_else(|error| panic!("{when}: {error:?}"));
            } else {
                assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
            }
            bed.assert_empty(&when).await;
        }
    }
}

#[tokio::test]
async fn a_pause_that_is_cut_short_anywhere_can_be_repeated() {
    let points = {
        let bed = Bed::with_closure().await;
        bed.create("one").await.expect("created");
        let before = bed.points();
        bed.stop("one").await.expect("stopped");
        bed.start("one").await.expect("started");
        bed.points() - before
    };
    for point in 0..points {
        for dies in [false, true] {
            let bed = Bed::with_closure().await;
            bed.create("one").await.expect("created");
            let at = bed.points() + point;
            if dies {
                bed.world.hang_at(at);
            } else {
                bed.world.fail_at(at);
            }
            let pause = async {
                bed.stop("one").await?;
                bed.start("one").await
            };
            let _ = bed.until_it_hangs(pause).await;
            bed.world.settle();
            bed.world.clear_faults();
            let when = format!("when a pause is cut short at point {point} (dies: {dies})");
            let started = bed.start("one").await.unwrap_or_else(|error| panic!("{when}: {error:?}"));
            assert_eq!(started.phase, Phase::Running, "{when}");
            bed.destroy("one").await.unwrap_or_else(|error| panic!("{when}: {error:?}"));
            bed.assert_empty(&when).await;
        }
    }
}

#[tokio::test]
async fn a_failing_undo_tells_every_error_and_keeps_the_record_for_the_reconcile() {
    let bed = Bed::with_closure().await;
    bed.world.fail_next("systemd.start");
    bed.world.fail_always("containers.remove");
    bed.world.fail_always("firewall.unpin");
    let error = bed.create("one").await.expect_err("it does not start");
    let AgentError::Create { details, .. } = &error else { panic!("{error:?}") };
    let left = details.iter().find(|detail| detail.title == "still there").expect("what is left is told");
    assert_eq!(left.lines.len(), 2, "{left:?}");
    assert_eq!(bed.records().await.len(), 1, "the berth is not given away");

    bed.world.clear_faults();
    assert_eq!(bed.reconcile().await.left, [""; 0]);
    bed.assert_empty("after the reconcile").await;
}

#[tokio::test]
async fn a_reconcile_does_not_touch_what_somebody_works_on() {
    let bed = Bed::with_closure().await;
    bed.world.hang_next("systemd.start");
    let create = bed.create("one");
    let looking = async {
        bed.hang().await;
        bed.reconcile().await
    };
    tokio::pin!(create);
    tokio::select! {
        created = &mut create => panic!("it hangs: {created:?}"),
        report = looking => assert_eq!(report.done, [""; 0]),
    }
    assert_eq!(bed.records().await.len(), 1);
}

#[tokio::test]
async fn an_interrupted_build_leaves_no_record_and_no_root() {
    let bed = Bed::new().await;
    bed.world.hang_next("nix.build");
    let (interrupter, interrupt) = Interrupt::new();
    let interrupting = async {
        bed.hang().await;
        interrupter.interrupt();
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        created = bed.create_until("one", &interrupt) => created.expect_err("interrupted"),
        () = interrupting => unreachable!("it never ends"),
    };
    assert!(error.is_interrupt(), "{error}");
    assert_eq!(bed.host.state.builds().await.expect("listed"), []);
    bed.assert_empty("after an interrupted build").await;
}
