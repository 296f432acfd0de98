use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};

use berth_core::{Kind, Slot};

use super::super::tests::{Home, closure, moment, name, new_berth, subnet, system};
use super::*;

const NET: &str = "10.100.0.0/16";

fn slots(records: &[BerthRecord]) -> Vec<u16> {
    let mut slots: Vec<u16> = records.iter().map(|record| record.container.slot().get()).collect();
    slots.sort_unstable();
    slots
}

/// Moves a berth through its end.
async fn destroy(state: &State, record: &BerthRecord) {
    state.advance(record.id, record.phase, Happening::DestroyBegan, None).await.unwrap();
    state.remove(record.id).await.unwrap();
}

#[tokio::test]
async fn what_was_reserved_is_read_back_whole() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let reserved = state.reserve(new_berth("fix-login", closure), subnet(NET)).await.unwrap();
    let new = new_berth("fix-login", closure);
    let expected = BerthRecord {
        id: BerthId(1),
        kind: Kind::Agent,
        name: name("fix-login"),
        container: "a1".parse().unwrap(),
        phase: Phase::Reserved,
        wanted: Wanted::Running,
        reason: None,
        closure,
        system: system(0),
        limits: new.limits,
        host_key: None,
        health: Health::Unknown,
        failed_units: vec![],
        created_by: "ada".into(),
        created_at: moment(10),
        expires_at: Some(moment(20)),
        preview: None,
        reaches_database: false,
        gpu: None,
    };
    assert_eq!(reserved, expected);
    assert_eq!(state.berth_named(Kind::Agent, &name("fix-login")).await.unwrap(), Some(expected.clone()));
    assert_eq!(state.berth_named(Kind::Preview, &name("fix-login")).await.unwrap(), None);

    let units = ["a.service".to_owned(), "odd \"quoted\".service".to_owned()];
    state.set_host_key(reserved.id, "ssh-ed25519 AAAA").await.unwrap();
    state.set_health(reserved.id, Health::Degraded, &units).await.unwrap();
    state.set_wanted(reserved.id, Wanted::Stopped).await.unwrap();
    let changed = BerthRecord {
        wanted: Wanted::Stopped,
        host_key: Some("ssh-ed25519 AAAA".into()),
        health: Health::Degraded,
        failed_units: units.into(),
        ..expected
    };
    assert_eq!(state.berths(Some(Kind::Agent)).await.unwrap(), [changed]);
    assert_eq!(state.berths(Some(Kind::Preview)).await.unwrap(), []);
}

#[tokio::test]
async fn a_gpu_is_read_back_and_one_that_no_berth_writes_is_refused() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let devices = ["/dev/nvidia0", "/dev/nvidiactl"].map(|path| path.parse().unwrap());
    let gpu = Gpu { devices: devices.into(), driver: "/run/opengl-driver".parse().unwrap() };
    let new = NewBerth { gpu: Some(gpu.clone()), ..new_berth("train", closure) };
    assert_eq!(state.reserve(new, subnet(NET)).await.unwrap().gpu, Some(gpu));
    home.settle(state).await;

    home.sql(r#"UPDATE berths SET gpu = '{"devices":["/dev/sda"],"driver":"/run/x"}'"#).await;
    let error = home.state().await.berths(None).await.unwrap_err().to_string();
    assert!(error.contains("`/dev/sda` is no device node of a GPU"), "{error}");
}

#[tokio::test]
async fn both_kinds_share_the_slots_and_not_the_names() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    state.reserve(new_berth("a", closure), subnet(NET)).await.unwrap();
    let preview = some_preview(&state).await;
    let of_preview = || NewBerth { kind: Kind::Preview, preview: Some(preview), ..new_berth("a", closure) };
    let (first, second) = (
        state.reserve(of_preview(), subnet(NET)).await.unwrap(),
        state.reserve(of_preview(), subnet(NET)).await.unwrap(),
    );
    assert_eq!(first.container.to_string(), "p2");
    assert_eq!(second.container.to_string(), "p3");
    assert_eq!(state.berths(None).await.unwrap().len(), 3);
    assert_eq!(state.berths_of(preview).await.unwrap(), [first, second]);
}

#[tokio::test]
async fn a_taken_name_is_refused_and_takes_no_slot() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let first = state.reserve(new_berth("fix-login", closure), subnet(NET)).await.unwrap();
    state.advance(first.id, Phase::Reserved, Happening::CreateBegan, None).await.unwrap();
    let error = state.reserve(new_berth("fix-login", closure), subnet(NET)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the name `fix-login` is taken: that agent is creating; choose another name, \
         or free it with `agent destroy fix-login`"
    );
    let second = state.reserve(new_berth("other", closure), subnet(NET)).await.unwrap();
    assert_eq!(second.container.to_string(), "a2");
}

#[tokio::test]
async fn a_24_is_exhausted_after_127_berths_of_both_kinds() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let net = subnet("10.100.0.0/24");
    let preview = some_preview(&state).await;
    for number in 0..127 {
        let agent = new_berth(&format!("n{number}"), closure);
        let new = match number % 2 {
            0 => agent,
            _ => NewBerth { kind: Kind::Preview, preview: Some(preview), ..agent },
        };
        state.reserve(new, net).await.unwrap();
    }
    let error = state.reserve(new_berth("one-more", closure), net).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the subnet `10.100.0.0/24` is exhausted: all its 127 berths are taken; \
         destroy what is not needed any more, or configure a larger subnet (a /16 has 32,512 berths)"
    );
    let larger = state.reserve(new_berth("one-more", closure), subnet("10.100.0.0/23")).await.unwrap();
    assert_eq!(larger.container.to_string(), "a129");
}

#[tokio::test]
async fn two_hundred_creates_and_destroys_take_the_lowest_slot_again_and_no_number_twice() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let kept = state.reserve(new_berth("kept", closure), subnet(NET)).await.unwrap();
    let mut last = kept.id;
    for number in 0..200 {
        let record = state.reserve(new_berth(&format!("n{number}"), closure), subnet(NET)).await.unwrap();
        assert_eq!(record.container.to_string(), "a2");
        assert!(record.id > last, "{} again", record.id);
        last = record.id;
        destroy(&state, &record).await;
    }
    assert_eq!(state.berths(None).await.unwrap(), [kept]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_given_to_two_tasks() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let state = state.clone();
            let new = new_berth(&format!("n{number}"), closure);
            tokio::spawn(async move { state.reserve(new, subnet(NET)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(slots(&state.berths(None).await.unwrap()), (1..=32).collect::<Vec<_>>());
}

/// All children wait on the parent's transaction, so that they race for real.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_slot_is_given_to_two_processes() {
    let home = Home::new();
    let state = home.state().await;
    closure(&home, &state).await;
    let hold = state.write("hold the children back").await.unwrap();
    let mut children: Vec<_> = (0..32).map(|_| home.child(module_path!(), "child_that_reserves")).collect();
    for child in &mut children {
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")), "the child died");
    }
    hold.rollback().await.unwrap();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(slots(&state.berths(None).await.unwrap()), (1..=32).collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "the child of another test"]
async fn child_that_reserves() {
    let Some(home) = Home::of_parent() else { return };
    let state = home.state().await;
    let closure = state.current_closure(Kind::Agent).await.unwrap().unwrap().id;
    println!("ready");
    std::io::stdout().flush().unwrap();
    let new = new_berth(&format!("n{}", std::process::id()), closure);
    state.reserve(new, subnet(NET)).await.unwrap();
}

#[tokio::test]
async fn of_many_that_want_one_name_one_gets_it() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let state = state.clone();
            tokio::spawn(async move { state.reserve(new_berth("one", closure), subnet(NET)).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, StateError::NameTaken { .. }), "{error:?}"),
        }
    }
    assert_eq!((won, state.berths(None).await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_stale_phase_changes_nothing() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let record = state.reserve(new_berth("fix-login", closure), subnet(NET)).await.unwrap();
    let seen = record.phase;
    state.advance(record.id, seen, Happening::CreateBegan, None).await.unwrap();
    state.advance(record.id, Phase::Creating, Happening::Failed, Some("no space")).await.unwrap();

    let error = state.advance(record.id, seen, Happening::CreateBegan, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`fix-login` is failed by now and was reserved: another command works on it, try again when that is done"
    );
    let error = state.remove(record.id).await.unwrap_err();
    assert!(matches!(error, StateError::Changed { found: Phase::Failed, .. }), "{error:?}");
    let kept = state.berth_named(Kind::Agent, &record.name).await.unwrap().unwrap();
    assert_eq!((kept.phase, kept.reason.as_deref()), (Phase::Failed, Some("no space")));

    destroy(&state, &kept).await;
    let error = state.advance(record.id, Phase::Failed, Happening::Started, None).await.unwrap_err();
    assert_eq!(error.to_string(), "berth 1 has no record any more: another command removed it");
    let error = state.set_wanted(record.id, Wanted::Running).await.unwrap_err();
    assert!(matches!(error, StateError::BerthGone { .. }), "{error:?}");
}

#[tokio::test]
async fn what_cannot_happen_is_refused_before_anything_is_looked_up() {
    let home = Home::new();
    let state = home.state().await;
    let error = state.advance(BerthId(1), Phase::Reserved, Happening::Removed, None).await.unwrap_err();
    assert_eq!(error.to_string(), "a berth that is reserved cannot become what follows `Removed`");
}

#[tokio::test]
async fn expired_are_those_whose_time_is_over_at_that_moment() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    for (text, expires_at) in [("z", Some(20)), ("b", Some(19)), ("c", Some(21)), ("d", None)] {
        let new = NewBerth { expires_at: expires_at.map(moment), ..new_berth(text, closure) };
        state.reserve(new, subnet(NET)).await.unwrap();
    }
    let expired = state.expired(Kind::Agent, moment(20)).await.unwrap();
    let names: Vec<_> = expired.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["b", "z"]);
    assert_eq!(state.expired(Kind::Preview, moment(99)).await.unwrap(), []);
}

/// A small generator with a fixed seed: the walk is the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[tokio::test]
async fn a_random_walk_agrees_with_a_model() {
    const HAPPENINGS: [Happening; 6] = [
        Happening::CreateBegan,
        Happening::Started,
        Happening::Stopped,
        Happening::Failed,
        Happening::DestroyBegan,
        Happening::Removed,
    ];
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let network = subnet(NET);
    let mut dice = Dice(2);
    let mut model: BTreeMap<String, (BerthId, Slot, Phase)> = BTreeMap::new();
    for _ in 0..600 {
        let text = format!("n{}", dice.throw(8));
        match model.get(&text).copied() {
            None => {
                let mut taken: Vec<Slot> = model.values().map(|(_, slot, _)| *slot).collect();
                taken.sort_unstable();
                let record = state.reserve(new_berth(&text, closure), network).await.unwrap();
                assert_eq!(Some(record.container.slot()), Slot::lowest_free(network, &taken));
                model.insert(text, (record.id, record.container.slot(), Phase::Reserved));
            }
            Some((id, slot, phase)) => {
                let from = if dice.throw(4) == 0 { Phase::ALL[dice.throw(6)] } else { phase };
                let happening = HAPPENINGS[dice.throw(6)];
                let result = state.advance(id, from, happening, None).await;
                match from.after(happening) {
                    Err(_) => assert!(matches!(result, Err(StateError::Phase(_))), "{result:?}"),
                    Ok(_) if from != phase => {
                        assert!(
                            matches!(result, Err(StateError::Changed { found, .. }) if found == phase),
                            "{result:?}"
                        );
                    }
                    Ok(Phase::Gone) => drop(model.remove(&text)),
                    Ok(next) => drop(model.insert(text, (id, slot, next))),
                }
            }
        }
        let recorded: BTreeMap<_, _> = state
            .berths(None)
            .await
            .unwrap()
            .into_iter()
            .map(|r| (r.name.to_string(), (r.id, r.container.slot(), r.phase)))
            .collect();
        assert_eq!(recorded, model);
    }
}

/// A preview that berths may belong to.
async fn some_preview(state: &State) -> PreviewId {
    sqlx::raw_sql(
        "INSERT INTO repositories (id, name, created_at) VALUES (1, 'acme/site', 0); \
         INSERT INTO previews (id, repository_id, branch, slug, phase, wanted, is_trusted, memory, cpus, tasks, \
                               created_by, created_at) \
         VALUES (7, 1, 'main', 'site-main', 'building', 'running', 1, '1G', '1', '100', 'ada', 0)",
    )
    .execute(&state.pool)
    .await
    .unwrap();
    PreviewId::new(7)
}
