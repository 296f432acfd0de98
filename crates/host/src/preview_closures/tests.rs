//! Finding and building on a fake host.

mod bed;

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use berth_core::StorePath;

use self::bed::{Bed, META, files, system};
use super::*;
use crate::reconcile::reconcile;

#[tokio::test]
async fn a_recorded_closure_is_used_without_any_evaluation() {
    let bed = Bed::new().await;
    let first = bed.closure(&bed.files).await.expect("built");
    assert_eq!((first.system.clone(), first.size), (system(1), 1 << 20));
    assert_eq!(first.meta, Meta::parse(META).expect("a meta"));
    assert_eq!(fs::read_link(bed.host.layout.gc_root(first.id.get())).expect("pinned"), system(1).as_path());

    let before = bed.world.calls().len();
    let second = bed.closure(&bed.files).await.expect("found");
    assert_eq!(second.id, first.id);
    let calls = bed.world.calls()[before..].to_vec();
    assert_eq!(calls, ["nix.flake_hash".to_owned(), format!("nix.is_valid {}", system(1))]);
    assert!(second.last_used_at >= first.last_used_at);
    bed.assert_tidy(1).await;
}

#[tokio::test]
async fn other_files_another_flake_and_other_settings_are_other_closures() {
    let bed = Bed::new().await;
    let first = bed.closure(&bed.files).await.expect("built").id;
    let other = files("{ } # a comment");
    bed.world.preview_evaluates(Some(&other), Ok((system(1), META)));
    let second = bed.closure(&other).await.expect("built").id;
    bed.world.closures_flake_holds(files("{ }"));
    let third = bed.closure(&bed.files).await.expect("built").id;
    let fourth = bed.closure_with(&bed.files, &[("a", "b")]).await.expect("built").id;
    let ids = BTreeSet::from([first, second, third, fourth]);
    assert_eq!(ids.len(), 4);
    bed.assert_tidy(4).await;
}

#[tokio::test]
async fn without_a_preview_config_all_repositories_share_the_default() {
    let bed = Bed::new().await;
    bed.world.preview_evaluates(None, Ok((system(7), META)));
    let first = bed.closure(&NixFiles::new()).await.expect("built");
    let mut other = NixFiles::new();
    other.insert("flake.nix", b"{ }".to_vec()).expect("a file");
    assert_eq!(bed.closure(&other).await.expect("found").id, first.id);
    assert_eq!(first.system, system(7));
}

#[tokio::test]
async fn one_that_was_deleted_from_the_store_is_built_again() {
    let bed = Bed::new().await;
    let first = bed.closure(&bed.files).await.expect("built");
    fs::remove_file(bed.host.layout.gc_root(first.id.get())).expect("it was there");
    bed.world.collect_garbage();
    let second = bed.closure(&bed.files).await.expect("built again");
    assert_ne!(first.id, second.id);
    assert_eq!(second.system, system(1));
}

#[tokio::test]
async fn concurrent_requests_of_one_key_share_one_build() {
    let bed = Bed::new().await;
    let (a, b, c) = tokio::join!(bed.closure(&bed.files), bed.closure(&bed.files), bed.closure(&bed.files));
    let ids = [a, b, c].map(|closure| closure.expect("built or found").id);
    assert_eq!(ids, [ids[0]; 3]);
    let builds = bed.world.calls().iter().filter(|call| call.starts_with("nix.realise")).count();
    assert_eq!(builds, 1);
    bed.assert_tidy(1).await;
}

#[tokio::test]
async fn what_does_not_evaluate_is_told_and_its_log_stays() {
    let bed = Bed::new().await;
    bed.world.preview_evaluates(
        Some(&bed.files),
        Err("  error: undefined variable 'pkg'\n    at preview-config.nix:1:3:"),
    );
    let error = bed.closure(&bed.files).await.expect_err("it does not evaluate");
    let PreviewClosureError::Build { build, .. } = &error else { panic!("{error}") };
    let log = fs::read_to_string(bed.host.layout.build_log(build.get())).expect("kept");
    insta::assert_snapshot!(log, @r"
    -- evaluate preview-config.nix
    evaluating
    -- failed: `preview-config.nix` does not evaluate:
      error: undefined variable 'pkg'
        at preview-config.nix:1:3:
    ");
    insta::assert_snapshot!(bed::chain(&error), @r"
    could not build the system of the preview; see all that was said with `preview logs fix-login --build`
    `preview-config.nix` does not evaluate:
      error: undefined variable 'pkg'
        at preview-config.nix:1:3:
    ");
    bed.assert_tidy(0).await;
}

#[tokio::test]
async fn all_problems_of_a_meta_are_told_at_once_and_nothing_is_built() {
    let bed = Bed::new().await;
    bed.world.preview_evaluates(
        Some(&bed.files),
        Ok((system(1), r#"{"upstream":"localhost:2019","database":"mine"}"#)),
    );
    let error = bed.closure(&bed.files).await.expect_err("it declares nonsense");
    let told = bed::chain(&error);
    for words in ["`preview-config.nix` declares what Berth cannot do", "upstream", "database"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!bed.world.calls().iter().any(|call| call.starts_with("nix.realise")));
    bed.assert_tidy(0).await;
}

#[tokio::test]
async fn an_oversized_closure_is_forgotten_and_both_sizes_are_told() {
    let bed = Bed::new().await;
    bed.world.system_has_size(&system(1), (3 << 20) + 1);
    let error = bed.closure(&bed.files).await.expect_err("it is too large");
    insta::assert_snapshot!(bed::chain(&error), @r"
    could not build the system of the preview; see all that was said with `preview logs fix-login --build`
    `preview-config.nix` makes a system of 3.1 MiB with all that it needs, and 3.0 MiB are allowed: leave out what the preview does not need, or ask the operator for more
    ");
    bed.assert_tidy(0).await;
    bed.world.system_has_size(&system(1), 3 << 20);
    bed.closure(&bed.files).await.expect("it is allowed now");
}

#[tokio::test]
async fn a_failure_anywhere_leaves_nothing_and_the_next_request_builds() {
    for point in 0..Bed::points_of_a_build().await {
        let bed = Bed::new().await;
        bed.world.fail_at(bed.points() + point);
        let outcome = bed.closure(&bed.files).await;
        bed.assert_tidy(usize::from(outcome.is_ok())).await;
        bed.world.clear_faults();
        bed.closure(&bed.files).await.unwrap_or_else(|error| panic!("after point {point}: {error}"));
        bed.assert_tidy(1).await;
    }
}

#[tokio::test]
async fn an_interrupt_anywhere_leaves_nothing() {
    for point in 0..Bed::points_of_a_build().await {
        let bed = Bed::new().await;
        bed.world.hang_at(bed.points() + point);
        let (interrupter, interrupt) = Interrupt::new();
        let (outcome, ()) = tokio::join!(bed.closure_until(&bed.files, &interrupt), async {
            bed.hang().await;
            interrupter.interrupt();
        });
        assert!(matches!(outcome, Err(PreviewClosureError::Interrupted)), "point {point}: {outcome:?}");
        bed.assert_tidy(0).await;
        bed.world.clear_faults();
        bed.closure(&bed.files).await.unwrap_or_else(|error| panic!("after point {point}: {error}"));
    }
}

#[tokio::test]
async fn what_a_killed_build_left_goes_with_reconcile_or_the_next_build() {
    for point in 0..Bed::points_of_a_build().await {
        for is_reconciled in [true, false] {
            let bed = Bed::new().await;
            bed.world.hang_at(bed.points() + point);
            tokio::select! {
                outcome = bed.closure(&bed.files) => panic!("it hangs at {point}: {outcome:?}"),
                () = bed.hang() => {}
            }
            bed.world.clear_faults();
            if is_reconciled {
                reconcile(&bed.host, &bed::by(), &bed, &bed::never()).await.expect("reconciled");
                bed.assert_tidy(0).await;
            }
            bed.closure(&bed.files).await.unwrap_or_else(|error| panic!("after point {point}: {error}"));
            bed.assert_tidy(1).await;
        }
    }
}

#[tokio::test]
async fn whoever_waits_for_the_build_of_another_can_be_interrupted() {
    let bed = Bed::new().await;
    bed.world.hang_next("nix.realise");
    let (interrupter, interrupt) = Interrupt::new();
    let building = bed.closure(&bed.files);
    let waiting = async {
        bed.hang().await;
        let (outcome, ()) = tokio::join!(bed.closure_until(&bed.files, &interrupt), async {
            let waits = || bed.steps().iter().any(|step| step.starts_with("wait for the same closure"));
            while !waits() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            interrupter.interrupt();
        });
        outcome
    };
    let outcome = tokio::select! {
        outcome = building => panic!("it hangs: {outcome:?}"),
        outcome = waiting => outcome,
    };
    assert!(matches!(outcome, Err(PreviewClosureError::Interrupted)), "{outcome:?}");
}

/// Changes the closures flake after the key was made, before the flake is
/// locked.
struct Editor<'a> {
    bed: &'a Bed,
    times: AtomicUsize,
}

impl Progress for Editor<'_> {
    fn step(&self, text: &str) {
        if text == "lock the closures flake" && self.times.load(Ordering::Relaxed) > 0 {
            let left = self.times.fetch_sub(1, Ordering::Relaxed);
            self.bed.world.closures_flake_holds(files(&left.to_string()));
        }
    }

    fn line(&self, _: &str) {}
}

#[tokio::test]
async fn a_flake_that_changes_meanwhile_is_looked_at_again() {
    let bed = Bed::new().await;
    let request = bed.request(&bed.files, &[]);
    let editor = Editor { bed: &bed, times: AtomicUsize::new(2) };
    let closure = closure_for(&bed.host, &request, &editor, &bed::never()).await.expect("built");
    let key = key_of(&bed.host, &request).await.expect("a key");
    let found = bed.host.state.use_preview_closure(&key, (bed.host.now)()).await.expect("read");
    assert_eq!(found.map(|found| found.id), Some(closure.id), "under the key of what was built");
    bed.assert_tidy(1).await;

    let editor = Editor { bed: &bed, times: AtomicUsize::new(100) };
    bed.world.closures_flake_holds(files("other"));
    let outcome = closure_for(&bed.host, &request, &editor, &bed::never()).await;
    assert!(matches!(outcome, Err(PreviewClosureError::FlakeChanges { .. })), "{outcome:?}");
    bed.assert_tidy(1).await;
}

#[tokio::test]
async fn old_closures_and_logs_leave_and_the_last_failed_logs_stay() {
    let bed = Bed::new().await;
    let old: Vec<StorePath> = (1..=3).map(system).collect();
    for (number, system) in (0_i64..).zip(&old) {
        bed.record(system, number).await;
    }
    bed.world.preview_evaluates(Some(&bed.files), Err("no"));
    for _ in 0..25 {
        bed.closure(&bed.files).await.expect_err("planned");
    }
    assert_eq!(fs::read_dir(bed.host.layout.build_logs_dir()).expect("a folder").count(), 20);
    let released = release_unused(&bed.host, 2, &bed).await;
    assert_eq!(released, [format!("the unused closure {}", old[0])]);
    bed.assert_tidy(2).await;
}
