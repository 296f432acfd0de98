//! What another process does, or dies of, between two lines of an operation.

use std::fs;

use berth_core::{Phase, UnitState, Wanted};

use super::super::AgentError;
use super::bed::{Bed, container};
use crate::firewall_table;
use crate::state::NewBerth;

#[tokio::test]
async fn a_create_that_never_gets_its_lock_gives_name_and_slot_back() {
    let bed = Bed::with_closure().await;
    let folder = bed.host.layout.lock_dir();
    fs::remove_dir(&folder).expect("no lock is held");
    fs::write(&folder, "no folder").expect("written");
    let error = bed.create("one").await.expect_err("there are no locks");
    assert!(matches!(error, AgentError::Lock(_)), "{error}");
    assert_eq!(bed.records().await, []);
    fs::remove_file(&folder).expect("removed");
    bed.assert_empty("after a create without a lock").await;
}

#[tokio::test]
async fn a_removal_that_died_before_its_first_step_is_finished_by_reconcile() {
    let bed = Bed::with_closure().await;
    let record = bed.create("one").await.expect("created");
    bed.host.state.set_wanted(record.id, Wanted::Absent).await.expect("recorded");
    let report = bed.reconcile().await;
    assert_eq!(report.done, ["removed the agent `one`, whose removal was cut short"]);
    bed.assert_empty("after a reconcile").await;
}

#[tokio::test]
async fn a_stop_that_died_before_its_first_step_is_finished_by_reconcile() {
    let bed = Bed::with_closure().await;
    let record = bed.create("one").await.expect("created");
    bed.host.state.set_wanted(record.id, Wanted::Stopped).await.expect("recorded");
    let report = bed.reconcile().await;
    assert_eq!(report.done, ["stopped the agent `one`"]);
    assert_eq!(bed.world.unit_state(container("a1")), UnitState::Inactive);
    assert_eq!(bed.records().await[0].phase, Phase::Stopped);
}

#[tokio::test]
async fn the_pin_of_a_berth_that_is_half_removed_does_not_come_back() {
    let bed = Bed::with_closure().await;
    bed.create("one").await.expect("created");
    bed.world.fail_always("containers.remove");
    bed.destroy("one").await.expect_err("something is in the way");
    assert!(firewall_table::is_right(&bed.host).await.expect("asked"), "no berth lacks its pin");
    firewall_table::load(&bed.host).await.expect("loaded");
    assert_eq!(bed.host.tools.firewall.pins().await.expect("listed"), [].into());
}

#[tokio::test]
async fn the_databases_are_open_to_those_who_have_the_right_on_record_and_to_no_other() {
    let bed = Bed::with_closure().await;
    let one = bed.create("one").await.expect("created");
    let other = NewBerth {
        kind: one.kind,
        name: "other".parse().expect("a name"),
        closure: one.closure,
        limits: one.limits,
        created_by: one.created_by.clone(),
        created_at: one.created_at,
        expires_at: None,
        preview: None,
        reaches_database: true,
        gpu: None,
    };
    let other = bed.host.state.reserve(other, bed.host.config.subnet).await.expect("reserved");
    let pin = |record| firewall_table::pin_of(&bed.host, record).expect("a slot of the subnet");
    let firewall = &bed.host.tools.firewall;
    let is_right = || async { firewall_table::is_right(&bed.host).await.expect("asked") };

    firewall_table::pin(&bed.host, pin(&other)).await.expect("pinned");
    assert!(!is_right().await, "a right is missing");
    firewall_table::open_database(&bed.host, pin(&other)).await.expect("opened");
    assert!(is_right().await);
    firewall_table::open_database(&bed.host, pin(&one)).await.expect("opened");
    assert!(!is_right().await, "there is a right too many");
    firewall_table::load(&bed.host).await.expect("loaded");
    assert!(is_right().await);
    assert_eq!(firewall.database_pins().await.expect("listed"), [pin(&other)].into());
    firewall_table::close_database(&bed.host, pin(&other)).await.expect("closed");
    assert_eq!(firewall.database_pins().await.expect("listed"), [].into());
}

#[tokio::test]
async fn a_start_between_two_tries_of_systemd_stops_it_before_it_writes_files() {
    let bed = Bed::with_closure().await;
    bed.create("one").await.expect("created");
    let set_state = |state| {
        bed.world.lock().units.get_mut(&container("a1")).expect("it is loaded").state = state;
    };
    for state in [UnitState::Activating, UnitState::Failed] {
        set_state(state);
        let before = bed.world.calls().len();
        bed.start("one").await.expect("started");
        let calls = bed.world.calls().split_off(before);
        let place = |call: &str| calls.iter().position(|c| c == call).expect(call);
        assert!(place("systemd.stop a1") < place("systemd.start a1"), "{calls:?}");
    }
}
