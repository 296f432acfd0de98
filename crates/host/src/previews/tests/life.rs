//! A preview's life when nothing goes wrong, and when something simply fails.

use berth_core::{PreviewPhase, UnitState};

use super::super::{UpdateKind, view};
use super::bed::{Bed, commit, container, forced, name, never};
use crate::agents::Destroyed;

#[tokio::test]
async fn a_created_preview_serves_with_all_that_belongs_to_it_and_a_destroyed_one_leaves_nothing() {
    let bed = Bed::new().await;
    let record = bed.create("main").await.expect("created");
    assert_eq!((record.slug.as_str(), record.phase), ("site-main", PreviewPhase::Ready));
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Active);
    bed.assert_serves("site-main", 1, "after its creation").await;
    bed.assert_agree("after a create").await;
    let seen = view(&bed.host, &name("site-main")).await.expect("seen");
    assert_eq!(seen.urls, ["https://site-main.example.com", "https://admin-site-main.example.com"]);
    assert_eq!(seen.database, Some(record.id.database()));
    assert_eq!(seen.commit, Some(commit(1)));

    assert_eq!(bed.destroy("site-main").await.expect("destroyed"), Destroyed::Removed);
    bed.assert_empty("after a life").await;
    assert_eq!(bed.destroy("site-main").await.expect("nothing to do"), Destroyed::NotThere);
}

#[tokio::test]
async fn an_update_without_anything_new_does_nothing() {
    let bed = Bed::new().await;
    let before = bed.create("main").await.expect("created");
    let (reloads, calls) = (bed.world.reloads(), bed.world.calls().len());
    let updated = bed.update("site-main").await.expect("updated");
    assert_eq!(updated.kind, UpdateKind::Nothing);
    assert_eq!(updated.record, before);
    assert_eq!(bed.world.reloads(), reloads);
    let changing = ["containers.", "guests.", "systemd.st", "firewall.", "postgres.", "repos.publish"];
    let calls = bed.world.calls().split_off(calls);
    let done: Vec<&String> =
        calls.iter().filter(|call| changing.iter().any(|c| call.starts_with(c))).collect();
    assert!(done.is_empty(), "{done:?}");
}

#[tokio::test]
async fn an_update_of_the_code_alone_keeps_the_container_and_the_route() {
    let (bed, before) = Bed::deployed("one").await;
    let reloads = bed.world.reloads();
    assert_eq!(bed.assert_updates_to("site-main", 2, "of the code").await, UpdateKind::Code);
    let record = bed.record("site-main").await;
    assert_eq!(record.berth, before.berth);
    assert_eq!(record.phase, PreviewPhase::Ready);
    assert_eq!(bed.world.reloads(), reloads);
}

#[tokio::test]
async fn an_update_of_the_system_switches_to_a_second_berth_and_keeps_the_database() {
    let (bed, before) = Bed::deployed("two").await;
    let password = bed.world.database_password(before.id).expect("a database");
    assert_eq!(bed.assert_updates_to("site-main", 2, "of the system").await, UpdateKind::Switched);
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Inactive);
    assert_eq!(bed.world.unit_state(container("p2")), UnitState::Active);
    let after = bed.world.database_password(before.id).expect("a database");
    use secrecy::ExposeSecret;
    assert_eq!(after.expose_secret(), password.expose_secret());
    assert!(bed.world.calls().iter().all(|call| !call.starts_with("postgres.remove")));
    let seen = view(&bed.host, &name("site-main")).await.expect("seen");
    assert_eq!(seen.urls, ["https://site-main.example.com", "https://docs-site-main.example.com"]);
}

#[tokio::test]
async fn a_forced_update_makes_a_new_berth_from_the_same_commit() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    let updated = bed.update_with("site-main", forced(), &never()).await.expect("updated");
    assert_eq!(updated.kind, UpdateKind::Switched);
    bed.assert_serves("site-main", 1, "after a forced update").await;
    assert_eq!(bed.container(&updated.record).await, container("p2"));
}
