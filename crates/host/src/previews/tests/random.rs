//! Random lives of previews and agents with random faults: after a reconcile,
//! records and host agree.

use berth_core::{Kind, UnitState};
use proptest::prelude::*;

use super::bed::{Bed, by, forced, name, never, options};
use crate::agents;
use crate::progress::Silent;
use crate::reconcile::reconcile;

#[derive(Clone, Debug)]
enum Act {
    Create { preview: u8, keeps_failed: bool, wait: bool },
    Push { preview: u8, is_other: bool },
    Update { preview: u8, is_forced: bool },
    Restart(u8),
    Destroy(u8),
    CreateAgent,
    StopAgent,
    DestroyAgent,
    PowerOff,
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
    let preview = 0..2_u8;
    let any = any::<bool>;
    prop_oneof![
        4 => (preview.clone(), any(), any())
            .prop_map(|(preview, keeps_failed, wait)| Act::Create { preview, keeps_failed, wait }),
        3 => (preview.clone(), any()).prop_map(|(preview, is_other)| Act::Push { preview, is_other }),
        4 => (preview.clone(), any()).prop_map(|(preview, is_forced)| Act::Update { preview, is_forced }),
        2 => preview.clone().prop_map(Act::Restart),
        2 => preview.prop_map(Act::Destroy),
        2 => Just(Act::CreateAgent),
        1 => Just(Act::StopAgent),
        1 => Just(Act::DestroyAgent),
        1 => Just(Act::PowerOff),
        1 => Just(Act::Reboot),
        1 => Just(Act::Reconcile),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::None),
        1 => (0..60_usize).prop_map(Trouble::Fail),
        1 => (0..60_usize).prop_map(Trouble::Die),
    ]
}

fn branch(preview: u8) -> String {
    format!("branch-{preview}")
}

async fn play(bed: &Bed, act: &Act, number: u8) {
    let slug = |preview: &u8| format!("site-{}", branch(*preview));
    // Whatever comes of it: what counts is the state in the end.
    match act {
        Act::Create { preview, keeps_failed, wait } => {
            let mut options = options(&branch(*preview));
            (options.keeps_failed, options.wait) = (*keeps_failed, *wait);
            drop(bed.create_with(options, &never()).await);
        }
        Act::Push { preview, is_other } => {
            bed.push(&branch(*preview), number, if *is_other { "two" } else { "one" });
        }
        Act::Update { preview, is_forced: true } => {
            drop(bed.update_with(&slug(preview), forced(), &never()).await);
        }
        Act::Update { preview, is_forced: false } => drop(bed.update(&slug(preview)).await),
        Act::Restart(preview) => drop(bed.restart_until(&slug(preview), &never()).await),
        Act::Destroy(preview) => drop(bed.destroy(&slug(preview)).await),
        Act::CreateAgent => drop(bed.create_agent().await),
        Act::StopAgent => {
            drop(agents::stop(&bed.host, &name("agent"), &by(), &Silent, &never()).await);
        }
        Act::DestroyAgent => drop(agents::destroy(&bed.host, &name("agent"), &by(), &Silent).await),
        Act::PowerOff => {
            let berths = bed.host.state.berths(None).await.expect("read");
            let running = berths.iter().map(|berth| berth.container);
            let mut running =
                running.filter(|container| bed.world.unit_state(*container) == UnitState::Active);
            if let Some(container) = running.next() {
                bed.world.power_off(container);
            }
        }
        Act::Reboot => bed.world.reboot(),
        Act::Reconcile => drop(reconcile(&bed.host, &by(), &Silent, &never()).await),
    }
}

async fn records_and_host_agree(acts: Vec<(Act, Trouble)>) {
    let bed = Bed::new().await;
    for preview in 0..2 {
        bed.push(&branch(preview), 1, "one");
    }
    for (number, (act, trouble)) in (2..).zip(&acts) {
        match trouble {
            Trouble::None => {}
            Trouble::Fail(point) => bed.world.fail_at(bed.points() + point),
            Trouble::Die(point) => bed.world.hang_at(bed.points() + point),
        }
        bed.until_it_hangs(play(&bed, act, number)).await;
        bed.world.settle();
        bed.world.clear_faults();
    }
    let when = format!("after {acts:?}");
    assert_eq!(bed.reconcile().await.left, [""; 0], "{when}");
    bed.assert_agree(&when).await;
    for record in bed.records().await {
        assert!(!record.is_half_way(), "{record:?} {when}");
        if record.phase.is_served() {
            let commit = record.commit.as_ref().expect("it is deployed");
            let number = u8::from_str_radix(&commit.as_str()[38..], 16).expect("a number");
            // One whose restart failed has told so, and its services may be down.
            if record.phase == berth_core::PreviewPhase::Ready {
                bed.assert_serves(record.slug.as_str(), number, &when).await;
            }
        }
        bed.destroy(record.slug.as_str()).await.expect("what is recorded can be destroyed");
    }
    for agent in bed.host.state.berths(Some(Kind::Agent)).await.expect("read") {
        agents::destroy(&bed.host, &agent.name, &by(), &Silent).await.expect("destroyed");
    }
    bed.assert_empty(&when).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_life_with_any_faults_a_reconcile_makes_records_and_host_agree(
        acts in proptest::collection::vec((act(), trouble()), 1..14)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(records_and_host_agree(acts));
    }
}
