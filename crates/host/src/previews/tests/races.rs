//! What another process does, or dies of, between two lines of an operation.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use berth_core::{PreviewPhase, UnitState};

use super::super::{CreateOptions, PreviewError, UpdateKind, repair, strays};
use super::bed::{Bed, OTHER, container, name, never, options};
use crate::agents::Destroyed;
use crate::host::left_of_records;
use crate::lock::LockName;
use crate::progress::Interrupt;
use crate::repos::Wanted;
use crate::state::StateError;

/// Long enough for the other one to come to the lock.
const SLOWLY: [Option<u16>; 2] = [Some(503), Some(200)];

fn web_of(container: &str) -> SocketAddr {
    let address = if container == "p1" { "10.9.8.3:3000" } else { "10.9.8.5:4000" };
    address.parse().expect("an address")
}

#[tokio::test]
async fn of_two_creates_of_one_branch_one_wins_and_the_other_is_told_its_slug() {
    let bed = Bed::new().await;
    let (one, two) = tokio::join!(bed.create("main"), bed.create("main"));
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(won.expect("created").phase, PreviewPhase::Ready);
    let error = lost.expect_err("it is there already");
    insta::assert_snapshot!(
        error,
        @"the branch `main` of acme/site has a preview already: `site-main`; bring it up to date with `preview update site-main`"
    );
    bed.assert_agree("after two creates").await;
}

#[tokio::test]
async fn previews_created_at_once_all_come_up_with_fewer_reloads_than_previews() {
    let bed = Bed::new().await;
    let branches: Vec<String> = (0..8).map(|number| format!("branch-{number}")).collect();
    for branch in &branches {
        bed.push(branch, 1, "one");
    }
    let before = bed.world.reloads().0;
    let creates = branches.iter().map(|branch| bed.create(branch));
    for created in super::bed::join_all(creates).await {
        created.expect("created");
    }
    let reloads = bed.world.reloads().0 - before;
    assert!(reloads < branches.len(), "{reloads} reloads");
    bed.assert_agree("after many creates").await;
}

#[tokio::test]
async fn branches_that_would_have_one_slug_get_two() {
    let bed = Bed::new().await;
    for branch in ["fix-login", "fix/login"] {
        bed.push(branch, 1, "one");
    }
    let one = bed.create("fix-login").await.expect("created");
    let two = bed.create("fix/login").await.expect("created");
    assert_eq!(one.slug, name("site-fix-login"));
    assert!(two.slug.as_str().starts_with("site-fix-login-"), "{}", two.slug);
    bed.assert_agree("after two creates").await;
}

#[tokio::test]
async fn the_name_of_anothers_extra_host_is_no_slug() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    bed.push("other", 1, "one");
    let chosen = CreateOptions { slug: Some(name("admin-site-main")), ..options("other") };
    let error = bed.create_with(chosen, &never()).await.expect_err("it is taken");
    insta::assert_snapshot!(
        error,
        @"the host name `admin-site-main` is taken by the preview `site-main`; choose another slug or prefix, or remove that one with `preview destroy site-main`"
    );
    assert_eq!(bed.records().await.len(), 1);
    bed.assert_serves("site-main", 1, "after a refused create").await;
    bed.assert_agree("after a refused create").await;
}

#[tokio::test]
async fn an_update_to_a_taken_host_name_leaves_the_old_site_until_the_name_is_free() {
    let (bed, _) = Bed::deployed("two").await;
    bed.push("other", 1, "one");
    let chosen = CreateOptions { slug: Some(name("docs-site-main")), ..options("other") };
    bed.create_with(chosen, &never()).await.expect("created");
    let error = bed.update("site-main").await.expect_err("its new host is taken");
    assert!(
        error.on_one_line().contains("`docs-site-main` is taken by the preview `docs-site-main`"),
        "{error:?}"
    );
    bed.assert_serves("site-main", 1, "after a refused update").await;
    bed.assert_agree("after a refused update").await;

    bed.destroy("docs-site-main").await.expect("destroyed");
    assert_eq!(bed.assert_updates_to("site-main", 2, "with a free name").await, UpdateKind::Switched);
    // And the old extra host is free again.
    let chosen = CreateOptions { slug: Some(name("admin-site-main")), ..options("other") };
    bed.create_with(chosen, &never()).await.expect("created");
    bed.assert_agree("in the end").await;
}

#[tokio::test]
async fn a_create_whose_extra_host_is_taken_fails_before_it_has_a_container() {
    let bed = Bed::new().await;
    bed.evaluates("other", 3, &OTHER.replace("docs", "site"));
    bed.push("main", 2, "other");
    bed.push("a", 1, "one");
    let chosen = CreateOptions { slug: Some(name("site-site-main")), ..options("a") };
    bed.create_with(chosen, &never()).await.expect("created");
    let error = bed.create("main").await.expect_err("its extra host is taken");
    assert!(error.on_one_line().contains("`site-site-main` is taken"), "{error:?}");
    assert_eq!(bed.record("site-main").await.phase, PreviewPhase::Failed);
    bed.assert_agree("after a failed create").await;
    bed.destroy("site-site-main").await.expect("destroyed");
    assert_eq!(bed.assert_updates_to("site-main", 2, "with a free name").await, UpdateKind::Deployed);
}

#[tokio::test]
async fn an_extra_host_that_is_kept_for_the_host_is_refused() {
    let bed = Bed::new().await;
    // `mta-sts` is Berth's own, `site-internal` the operator's.
    for (prefix, slug) in [("mta", "sts"), ("site", "internal")] {
        bed.evaluates(slug, 3, &OTHER.replace("docs", prefix));
        bed.push(slug, 3, slug);
        let chosen = CreateOptions { slug: Some(name(slug)), ..options(slug) };
        let error = bed.create_with(chosen, &never()).await.expect_err("it is kept");
        let said = format!("`{prefix}-{slug}` is kept for the host itself");
        assert!(error.on_one_line().contains(&said), "{}", error.on_one_line());
    }
    bed.assert_agree("after refused creates").await;
}

#[tokio::test]
async fn an_update_waits_for_the_create_that_is_under_way() {
    let bed = Bed::new().await;
    bed.world.answers(web_of("p1"), &SLOWLY);
    let update = async {
        while bed.world.services(container("p1")).is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(bed.record("site-main").await.phase, PreviewPhase::SettingUp);
        bed.update("site-main").await
    };
    let (created, updated) = tokio::join!(bed.create("main"), update);
    assert_eq!(created.expect("created").phase, PreviewPhase::Ready);
    assert_eq!(updated.expect("updated").kind, UpdateKind::Nothing);
    bed.assert_agree("afterwards").await;
}

#[tokio::test]
async fn a_destroy_waits_for_the_update_that_is_under_way_and_leaves_nothing() {
    let (bed, _) = Bed::deployed("two").await;
    bed.world.answers(web_of("p2"), &SLOWLY);
    let destroy = async {
        while bed.world.services(container("p2")).is_empty() {
            tokio::task::yield_now().await;
        }
        bed.destroy("site-main").await
    };
    let (updated, destroyed) = tokio::join!(bed.update("site-main"), destroy);
    assert_eq!(updated.expect("updated").kind, UpdateKind::Switched);
    assert_eq!(destroyed.expect("destroyed"), Destroyed::Removed);
    bed.assert_empty("after an update and a destroy").await;
}

#[tokio::test]
async fn an_update_that_waited_for_a_destroy_is_told_that_the_preview_is_gone() {
    let (bed, _) = Bed::deployed("two").await;
    let update = async {
        while bed.record("site-main").await.phase != PreviewPhase::Destroying {
            tokio::task::yield_now().await;
        }
        bed.update("site-main").await
    };
    let (destroyed, updated) = tokio::join!(bed.destroy("site-main"), update);
    assert_eq!(destroyed.expect("destroyed"), Destroyed::Removed);
    assert!(matches!(updated, Err(PreviewError::NotFound { .. })), "{updated:?}");
    bed.assert_empty("after a destroy and an update").await;
}

#[tokio::test]
async fn who_waits_for_a_preview_hears_an_interrupt() {
    let (bed, _) = Bed::deployed("two").await;
    let (interrupter, interrupt) = Interrupt::new();
    bed.world.hang_next("guests.restart_unit");
    let update = bed.update("site-main");
    let waiting = async {
        bed.hang().await;
        let restart = bed.restart_until("site-main", &interrupt);
        let interrupting = async {
            tokio::task::yield_now().await;
            interrupter.interrupt();
        };
        tokio::join!(restart, interrupting).0
    };
    tokio::select! {
        updated = update => panic!("it hangs: {updated:?}"),
        restarted = waiting => assert!(restarted.expect_err("interrupted").is_interrupt()),
    }
}

#[tokio::test]
async fn a_reconcile_does_not_touch_what_somebody_works_on() {
    let (bed, before) = Bed::deployed("two").await;
    bed.world.hang_next("guests.restart_unit");
    let looking = async {
        bed.hang().await;
        bed.reconcile().await
    };
    tokio::select! {
        updated = bed.update("site-main") => panic!("it hangs: {updated:?}"),
        report = looking => assert_eq!((report.done, report.left), (vec![], vec![])),
    }
    assert_eq!(bed.host.state.berths_of(before.id).await.expect("read").len(), 2);
}

#[tokio::test]
async fn a_create_that_never_gets_its_lock_gives_slug_and_slot_back() {
    let bed = Bed::new().await;
    let folder = bed.host.layout.lock_dir();
    let _ = fs::remove_dir(&folder);
    fs::write(&folder, "no folder").expect("written");
    let error = bed.create("main").await.expect_err("there are no locks");
    assert!(matches!(error, PreviewError::Lock(_)), "{error}");
    assert_eq!(bed.records().await, []);
    fs::remove_file(&folder).expect("removed");
    bed.assert_empty("after a create without a lock").await;
}

#[tokio::test]
async fn a_berth_that_came_to_serve_since_it_was_listed_is_not_removed() {
    let (bed, _) = Bed::deployed("two").await;
    // As a repair lists it between the reservation and the end of an update.
    bed.world.hang_next("guests.restart_unit");
    bed.until_it_hangs(bed.update("site-main")).await;
    bed.world.clear_faults();
    let new = bed.host.state.berth_in(container("p2")).await.expect("read").expect("a berth");
    let listed = repair::Stray::Berth(new.clone());
    bed.reconcile().await;
    bed.update("site-main").await.expect("updated");
    let serving = bed.record("site-main").await.berth.expect("a berth");
    let listed_serving = repair::Stray::Berth(crate::state::BerthRecord { id: serving, ..new });
    for stray in [listed, listed_serving] {
        let by = super::bed::by();
        let mended = repair::mend(&bed.host, &stray, &by, &crate::progress::Silent, &never()).await;
        assert_eq!(mended, Ok(None));
    }
    bed.assert_serves("site-main", 2, "after a late repair").await;
}

#[tokio::test]
async fn a_preview_that_somebody_started_meanwhile_is_not_started_again() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    bed.world.power_off(container("p1"));
    let found = strays(&bed.host).await.expect("listed").found;
    assert!(matches!(found.as_slice(), [repair::Stray::Down(_)]), "{found:?}");
    bed.restart_until("site-main", &never()).await.expect("restarted");
    let before = bed.world.calls().len();
    let by = super::bed::by();
    let mended = repair::mend(&bed.host, &found[0], &by, &crate::progress::Silent, &never()).await;
    assert_eq!(mended, Ok(None));
    let calls = bed.world.calls().split_off(before);
    assert!(calls.iter().all(|call| !call.starts_with("systemd.st")), "{calls:?}");
}

#[tokio::test]
async fn requests_are_led_back_before_the_berth_of_a_dead_update_goes() {
    let (bed, _) = Bed::deployed("two").await;
    let points = {
        let (bed, _) = Bed::deployed("two").await;
        let before = bed.points();
        bed.update("site-main").await.expect("updated");
        let passed = bed.world.passed().split_off(before);
        passed.iter().position(|point| point.to_string() == "after `caddy.reload`").expect("a reload")
    };
    bed.world.hang_at(bed.points() + points);
    assert!(bed.until_it_hangs(bed.update("site-main")).await.is_none());
    bed.world.settle();
    let before = bed.world.calls().len();
    assert_eq!(bed.reconcile().await.left, [""; 0]);
    let calls = bed.world.calls().split_off(before);
    let place = |wanted: &str| calls.iter().position(|call| call == wanted).expect(wanted);
    assert!(place("caddy.reload") < place("systemd.stop p2"), "{calls:?}");
    bed.assert_serves("site-main", 1, "after the repair").await;
}

#[tokio::test]
async fn what_cannot_be_taken_back_keeps_its_slot_until_it_is_gone() {
    let (bed, _) = Bed::deployed("two").await;
    bed.world.fail_next("systemd.start");
    bed.world.fail_always("containers.remove");
    let error = bed.update("site-main").await.expect_err("it does not start");
    assert!(error.on_one_line().contains("could not remove container p2"), "{}", error.on_one_line());
    bed.world.clear_faults();
    let berth = bed.host.state.berth_in(container("p2")).await.expect("read");
    assert!(berth.is_some(), "the slot is not given away");
    assert_eq!(bed.reconcile().await.left, [""; 0]);
    bed.assert_serves("site-main", 1, "after the repair").await;
    bed.assert_agree("after the repair").await;
}

#[tokio::test]
async fn a_route_that_cannot_be_removed_keeps_the_address_that_it_leads_to() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    bed.world.fail_always("caddy.reload");
    let error = bed.destroy("site-main").await.expect_err("caddy takes nothing");
    assert!(error.on_one_line().contains("its route"), "{}", error.on_one_line());
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Active);
    bed.world.clear_faults();
    assert_eq!(bed.reconcile().await.left, [""; 0]);
    bed.assert_empty("once caddy takes it").await;
}

#[tokio::test]
async fn a_pull_request_and_a_branch_of_the_same_name_are_two_previews() {
    let bed = Bed::new().await;
    let pull: berth_core::PullNumber = "7".parse().expect("a number");
    bed.push_to(&Wanted::Pull(pull), 5, "one");
    bed.create("main").await.expect("created");
    let mut of_pull = options("main");
    of_pull.source.pull = Some(pull);
    of_pull.is_trusted = false;
    let record = bed.create_with(of_pull.clone(), &never()).await.expect("created");
    assert_eq!(record.slug, name("site-7"));
    bed.assert_serves("site-7", 5, "as its own").await;
    bed.assert_serves("site-main", 1, "as its own").await;
    let error = bed.create_with(of_pull, &never()).await.expect_err("it is there");
    assert!(matches!(error, PreviewError::State(StateError::PreviewExists { .. })), "{error}");
}

#[tokio::test]
async fn what_a_dead_process_left_at_work_is_told_until_it_ends() {
    let (bed, record) = Bed::deployed("two").await;
    bed.until_it_hangs_in("guests.restart_unit", bed.update("site-main")).await;
    let mut dead = Command::new("true").spawn().expect("started");
    dead.wait().expect("ended");
    let path = bed.host.layout.lock_dir().join(LockName::Preview(record.id).to_string());
    fs::write(&path, format!("{}\npreview update\n", dead.id())).expect("written");
    // As a child holds it that has inherited it.
    let held = fs::File::open(&path).expect("there");
    held.lock().expect("locked");
    let found = strays(&bed.host).await.expect("listed").found;
    assert!(matches!(found.as_slice(), [repair::Stray::CutShort(_)]), "{found:?}");
    let report = bed.reconcile().await;
    assert_eq!(report.done, [""; 0]);
    assert!(report.left[0].contains("is busy: process"), "{report:?}");

    drop(held);
    assert_eq!(bed.reconcile().await.left, [""; 0]);
    bed.assert_serves("site-main", 1, "after the repair").await;
    bed.assert_agree("after the repair").await;
}

/// Only containers were looked at, and the databases of a host that had been
/// set up anew were dropped before its records were back.
#[tokio::test]
async fn databases_without_records_are_not_taken_for_a_new_host() {
    let bed = Bed::new().await;
    let left = async || left_of_records(&bed.host.tools, &bed.host.config).await.expect("listed");
    assert_eq!(left().await, [""; 0]);
    bed.create("main").await.expect("created");
    assert_eq!(left().await, ["p1", "berth_d1"]);
}
