use berth_core::Kind;

use super::super::tests::{Home, moment, new_berth, subnet, system};
use super::*;

fn build(source: &str) -> NewBuild {
    NewBuild { kind: Kind::Agent, source: source.into(), begun_at: moment(0) }
}

/// Builds what is at `path` in the store.
async fn built(home: &Home, state: &State, path: &StorePath) -> FinishedBuild {
    let lock = home.build_lock();
    let id = state.begin_build(build("flake#agent"), &lock).await.unwrap();
    state.finish_build(id, path, moment(1)).await.unwrap()
}

#[tokio::test]
async fn a_build_becomes_the_current_closure_when_it_has_finished() {
    let home = Home::new();
    let state = home.state().await;
    let lock = home.build_lock();
    let id = state.begin_build(build("flake#agent"), &lock).await.unwrap();
    assert_eq!(state.closures().await.unwrap(), []);
    assert_eq!(state.current_closure(Kind::Agent).await.unwrap(), None);
    let running = BuildRecord {
        id,
        kind: Kind::Agent,
        source: "flake#agent".into(),
        begun_at: moment(0),
        lock: lock.name(),
    };
    assert_eq!(state.builds().await.unwrap(), [running]);

    let finished = state.finish_build(id, &system(1), moment(5)).await.unwrap();
    let closure = ClosureRecord {
        id,
        kind: Kind::Agent,
        source: "flake#agent".into(),
        system: system(1),
        built_at: moment(5),
        is_current: true,
    };
    assert_eq!(finished, FinishedBuild { closure: closure.clone(), discarded: None });
    assert_eq!(state.builds().await.unwrap(), []);
    assert_eq!(state.current_closure(Kind::Agent).await.unwrap(), Some(closure));
    assert_eq!(state.current_closure(Kind::Preview).await.unwrap(), None);
}

#[tokio::test]
async fn the_same_path_built_again_keeps_its_one_record() {
    let home = Home::new();
    let state = home.state().await;
    let first = built(&home, &state, &system(1)).await.closure;
    let second = built(&home, &state, &system(2)).await.closure;
    assert_eq!(state.current_closure(Kind::Agent).await.unwrap().map(|c| c.id), Some(second.id));

    let again = built(&home, &state, &system(1)).await;
    assert_eq!(again.closure.id, first.id);
    assert!(again.closure.is_current);
    assert!(again.discarded.is_some_and(|id| id > second.id));
    let all: Vec<_> = state.closures().await.unwrap().into_iter().map(|c| (c.id, c.is_current)).collect();
    assert_eq!(all, [(first.id, true), (second.id, false)]);
}

#[tokio::test]
async fn only_what_is_neither_current_nor_used_can_be_forgotten() {
    let home = Home::new();
    let state = home.state().await;
    let [unused, used, current] = {
        let mut ids = Vec::new();
        for number in 1..=3 {
            let id = built(&home, &state, &system(number)).await.closure.id;
            if number == 2 {
                state.reserve(new_berth("a", id), subnet("10.1.0.0/16")).await.unwrap();
            }
            ids.push(id);
        }
        <[ClosureId; 3]>::try_from(ids).unwrap()
    };
    let lock = home.build_lock();
    let building = state.begin_build(build("flake#agent"), &lock).await.unwrap();

    let ids = |records: Vec<ClosureRecord>| records.into_iter().map(|c| c.id).collect::<Vec<_>>();
    assert_eq!(ids(state.unused_closures().await.unwrap()), [unused]);
    for (id, is_gone) in [(unused, true), (unused, false), (used, false), (current, false), (building, false)]
    {
        assert_eq!(state.forget_closure(id).await.unwrap(), is_gone, "{id}");
    }
    assert_eq!(ids(state.closures().await.unwrap()), [used, current]);
}

#[tokio::test]
async fn only_the_lock_of_a_build_abandons_it() {
    let home = Home::new();
    let state = home.state().await;
    let lock = home.build_lock();
    let id = state.begin_build(build("flake#agent"), &lock).await.unwrap();
    let other =
        crate::lock::Locks::new(&home.layout()).try_lock(LockName::Firewall, "test").unwrap().unwrap();
    assert!(!state.abandon_build(id, &other).await.unwrap());
    assert!(state.abandon_build(id, &lock).await.unwrap());
    assert!(!state.abandon_build(id, &lock).await.unwrap());

    let error = state.finish_build(id, &system(1), moment(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("closure {id} is not there to be used: build one with `agent build`")
    );
}

#[tokio::test]
async fn numbers_of_closures_are_never_given_again() {
    let home = Home::new();
    let state = home.state().await;
    let lock = home.build_lock();
    let first = state.begin_build(build("flake#agent"), &lock).await.unwrap();
    state.abandon_build(first, &lock).await.unwrap();
    let second = state.begin_build(build("flake#agent"), &lock).await.unwrap();
    assert!(second > first);
}

#[tokio::test]
async fn a_berth_needs_a_closure_that_is_ready() {
    let home = Home::new();
    let state = home.state().await;
    let lock = home.build_lock();
    let building = state.begin_build(build("flake#agent"), &lock).await.unwrap();
    for id in [building, ClosureId(77)] {
        let error = state.reserve(new_berth("a", id), subnet("10.1.0.0/16")).await.unwrap_err();
        assert!(matches!(error, StateError::ClosureGone { id: told } if told == id), "{error:?}");
    }
}
