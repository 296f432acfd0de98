//! Random lives with random faults: after a reconcile, records and host agree.

use proptest::prelude::*;

use super::bed::{Bed, by, never};
use crate::progress::Silent;
use crate::reconcile::reconcile;

#[derive(Clone, Debug)]
enum Act {
    Create(u8),
    Destroy(u8),
    Stop(u8),
    Start(u8),
    Reboot,
    Reconcile,
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    Fail(usize),
    Die(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let agent = 0..3_u8;
    prop_oneof![
        4 => agent.clone().prop_map(Act::Create),
        3 => agent.clone().prop_map(Act::Destroy),
        1 => agent.clone().prop_map(Act::Stop),
        1 => agent.prop_map(Act::Start),
        1 => Just(Act::Reboot),
        1 => Just(Act::Reconcile),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::None),
        1 => (0..40_usize).prop_map(Trouble::Fail),
        1 => (0..40_usize).prop_map(Trouble::Die),
    ]
}

async fn play(bed: &Bed, act: &Act) {
    let name = |agent: &u8| format!("agent-{agent}");
    // Whatever comes of it: what counts is the state in the end.
    match act {
        Act::Create(agent) => drop(bed.create(&name(agent)).await),
        Act::Destroy(agent) => drop(bed.destroy(&name(agent)).await),
        Act::Stop(agent) => drop(bed.stop(&name(agent)).await),
        Act::Start(agent) => drop(bed.start(&name(agent)).await),
        Act::Reboot => bed.world.reboot(),
        Act::Reconcile => drop(reconcile(&bed.host, &by(), &Silent, &never()).await),
    }
}

async fn records_and_host_agree(acts: Vec<(Act, Trouble)>) {
    let bed = Bed::with_closure().await;
    for (act, trouble) in &acts {
        match trouble {
            Trouble::None => {}
            Trouble::Fail(point) => bed.world.fail_at(bed.points() + point),
            Trouble::Die(point) => bed.world.hang_at(bed.points() + point),
        }
        bed.until_it_hangs(play(&bed, act)).await;
        bed.world.settle();
        bed.world.clear_faults();
    }
    let report = bed.reconcile().await;
    assert_eq!(report.left, [""; 0], "{acts:?}");
    for record in bed.records().await {
        assert!(!record.phase.is_half_way(), "{record:?} after {acts:?}");
        bed.destroy(record.name.as_str()).await.expect("what is recorded can be destroyed");
    }
    bed.assert_empty(&format!("after {acts:?}")).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_life_with_any_faults_a_reconcile_makes_records_and_host_agree(
        acts in proptest::collection::vec((act(), trouble()), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(records_and_host_agree(acts));
    }
}
