use berth_core::NixFiles;

use super::*;
use crate::lock::{LockName, Locks};
use crate::state::tests::{Home, moment, new_berth, subnet, system};

fn key(number: &str) -> ClosureKey {
    ClosureKey::new(None, &NixFiles::new().nar_hash(), &[("number", number)])
}

fn made(number: u8) -> PreviewSystem {
    let meta = Meta::parse(r#"{"routes":[{"path":"/","port":8080}]}"#).unwrap();
    PreviewSystem { system: system(number), meta, size: 1 << 40 }
}

fn lock(home: &Home, key: &ClosureKey) -> Lock {
    let name = LockName::Closure(key.lock_number());
    Locks::new(&home.layout()).try_lock(name, "test").unwrap().expect("nobody builds")
}

/// Builds `system` under `key` at that second.
async fn built(home: &Home, state: &State, key: ClosureKey, number: u8, second: i64) -> PreviewClosure {
    let lock = lock(home, &key);
    let new = NewPreviewBuild { key, source: "path:/flake".into(), begun_at: moment(second) };
    let id = state.begin_preview_build(new, &lock).await.unwrap();
    state.finish_preview_build(id, &made(number), moment(second)).await.unwrap()
}

async fn leaving(state: &State, keep: usize, before: i64) -> Vec<ClosureId> {
    let leaving = state.leaving_preview_closures(keep, moment(before)).await.unwrap();
    leaving.into_iter().map(|closure| closure.id).collect()
}

#[tokio::test]
async fn a_key_leads_to_what_was_built_under_it_and_notes_the_use() {
    let home = Home::new();
    let state = home.state().await;
    assert_eq!(state.use_preview_closure(&key("1"), moment(0)).await.unwrap(), None);
    let lock = lock(&home, &key("1"));
    let new = NewPreviewBuild { key: key("1"), source: "path:/flake".into(), begun_at: moment(0) };
    let id = state.begin_preview_build(new, &lock).await.unwrap();
    assert_eq!(state.use_preview_closure(&key("1"), moment(1)).await.unwrap(), None, "it is not built yet");
    assert_eq!(state.builds().await.unwrap()[0].lock, lock.name());

    let closure = state.finish_preview_build(id, &made(1), moment(2)).await.unwrap();
    let expected = PreviewClosure {
        id,
        system: system(1),
        meta: made(1).meta,
        size: 1 << 40,
        built_at: moment(2),
        last_used_at: moment(2),
    };
    assert_eq!(closure, expected);
    let used = state.use_preview_closure(&key("1"), moment(9)).await.unwrap();
    assert_eq!(used, Some(PreviewClosure { last_used_at: moment(9), ..expected }));
    assert_eq!(state.use_preview_closure(&key("2"), moment(9)).await.unwrap(), None);
    assert_eq!(state.current_closure(Kind::Preview).await.unwrap(), None, "none is for all");
    assert_eq!(state.unused_closures().await.unwrap(), [], "agents' have another rule");
}

#[tokio::test]
async fn two_keys_may_lead_to_one_system() {
    let home = Home::new();
    let state = home.state().await;
    let one = built(&home, &state, key("1"), 1, 0).await;
    let two = built(&home, &state, key("2"), 1, 0).await;
    assert_ne!(one.id, two.id);
    assert_eq!(one.system, two.system);
}

#[tokio::test]
async fn what_is_built_anew_takes_the_key_and_the_old_one_leaves_with_its_berth() {
    let home = Home::new();
    let state = home.state().await;
    let old = built(&home, &state, key("1"), 1, 0).await;
    let berth = state.reserve(new_berth("a", old.id), subnet("10.1.0.0/16")).await.unwrap();
    let new = built(&home, &state, key("1"), 1, 1).await;
    let found = state.use_preview_closure(&key("1"), moment(2)).await.unwrap();
    assert_eq!(found.map(|closure| closure.id), Some(new.id));
    assert_eq!(leaving(&state, 10, 100).await, []);
    assert!(!state.forget_preview_closure(&old).await.unwrap(), "a berth has it");
    drop(berth);
    home.sql("DELETE FROM berths").await;
    assert_eq!(leaving(&state, 10, 100).await, [old.id]);
    assert!(state.forget_preview_closure(&old).await.unwrap());
}

#[tokio::test]
async fn the_least_recently_used_leave_first_and_those_of_berths_never() {
    let home = Home::new();
    let state = home.state().await;
    let mut ids = Vec::new();
    for (second, number) in (0_i64..).zip(["0", "1", "2", "3"]) {
        ids.push(built(&home, &state, key(number), u8::try_from(second).unwrap(), second).await.id);
    }
    state.use_preview_closure(&key("0"), moment(50)).await.unwrap();
    state.reserve(new_berth("a", ids[1]), subnet("10.1.0.0/16")).await.unwrap();
    for (keep, before, expected) in [
        (3, 100, vec![]),
        (2, 100, vec![ids[2]]),
        (1, 100, vec![ids[2], ids[3]]),
        (0, 100, vec![ids[2], ids[3], ids[0]]),
        (0, 49, vec![ids[2], ids[3]]),
    ] {
        assert_eq!(leaving(&state, keep, before).await, expected, "keep {keep} before {before}");
    }
}

#[tokio::test]
async fn one_that_was_used_meanwhile_stays() {
    let home = Home::new();
    let state = home.state().await;
    let seen = built(&home, &state, key("1"), 1, 0).await;
    let used = state.use_preview_closure(&key("1"), moment(5)).await.unwrap().expect("it is there");
    assert!(!state.forget_preview_closure(&seen).await.unwrap());
    assert!(state.forget_preview_closure(&used).await.unwrap());
    assert!(!state.forget_preview_closure(&used).await.unwrap());
}
