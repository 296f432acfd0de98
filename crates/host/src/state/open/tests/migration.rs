//! Databases of older Berths.

use berth_core::lane::Wish;
use berth_core::{Health, Kind, Phase, Wanted};

use super::super::super::tests::{moment, name, new_berth, system};
use super::*;
use crate::state::{BerthRecord, EventFilter, KeptWish, NewBuild, NewEvent, Outcome, Told};

/// What a host had when there were only agents: berths 1 and 3 of five, closures
/// 1, 2 and a build of six, events 1 to 3 of four.
const AGENTS: &str = r#"
INSERT INTO closures (id, kind, source, begun_at, build_lock, system, built_at, is_current) VALUES
    (1, 'agent', 'path:/flake#agent', 1800000000000, NULL,
     '/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqs00-nixos-system', 1800000001000, 0),
    (2, 'agent', 'path:/flake#agent', 1800000002000, NULL,
     '/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqs01-nixos-system', 1800000003000, 1),
    (4, 'agent', 'path:/flake#agent', 1800000004000, 'build-agent', NULL, NULL, 0),
    (6, 'agent', 'path:/flake#agent', 1800000004000, 'build-agent', NULL, NULL, 0);
INSERT INTO berths (id, kind, slot, name, phase, wanted, reason, closure_id, memory, cpus, tasks,
                    host_key, health, failed_units, created_by, created_at, expires_at) VALUES
    (1, 'agent', 1, 'fix-login', 'running', 'running', NULL, 1, '1536M', '1.5', '4096',
     'ssh-ed25519 AAAA', 'degraded', '["nginx.service"]', 'ada', 1800000010000, NULL),
    (3, 'agent', 7, 'paused', 'stopped', 'stopped', 'for the night', 2, '1G', '1', '100',
     NULL, 'unknown', '[]', 'bob', 1800000011000, 1800000020000),
    (5, 'agent', 2, 'gone', 'running', 'running', NULL, 2, '1G', '1', '100',
     NULL, 'unknown', '[]', 'bob', 1800000011000, NULL);
INSERT INTO events (id, at, actor, kind, name, container, action, outcome, detail) VALUES
    (1, 1800000010000, 'ada', 'agent', 'fix-login', 'a1', 'create', 'began', NULL),
    (2, 1800000012000, 'ada', 'agent', 'fix-login', 'a1', 'create', 'succeeded', 'well'),
    (4, 1800000013000, 'ada', 'agent', NULL, NULL, 'build', 'failed', NULL);
DELETE FROM closures WHERE id = 6;
DELETE FROM berths WHERE id = 5;
DELETE FROM events WHERE id = 4;
"#;

/// What a host had that followed pull requests and answered nobody.
const LANES: &str = r#"
INSERT INTO lanes (id, repo, pull, generation, done_generation, comment_id, reported, heard_at) VALUES
    (1, 'acme/site', 7, 3, 2, 4711, 'ready 0', 1800000010000);
INSERT INTO lane_wishes (id, lane_id, delivery, asked_by, wish) VALUES
    (5, 1, 'd-1', 'ada', '{"wish":"rebuild"}');
INSERT INTO deliveries (id, event, lane_id, received_at, taken_at, outcome) VALUES
    ('d-1', 'issue_comment', 1, 1800000010000, 1800000010000, 'heard');
"#;

/// A host whose database a Berth with so many migrations made.
async fn made_by(migrations: usize, rows: &'static str) -> Home {
    let home = Home::new();
    home.settle(home.state().await).await;
    let database = home.layout().database();
    std::fs::remove_file(&database).unwrap();
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&database).unwrap();
    let mut connection = home.raw().await;
    use_wal(&mut connection).await.unwrap();
    for migration in &MIGRATIONS[..migrations] {
        sqlx::raw_sql(*migration).execute(&mut connection).await.unwrap();
    }
    let stamps = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {migrations}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamps)).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(rows).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    home
}

async fn assert_sound(home: &Home) {
    let mut connection = home.raw().await;
    let dangling: Vec<(String,)> = sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(dangling, []);
    let names: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM sqlite_schema WHERE sql LIKE '%\\_new%' ESCAPE '\\'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(names, [], "nothing refers to a table that was renamed");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_agents_alone_loses_nothing() {
    let home = made_by(1, AGENTS).await;
    let state = home.state().await;
    state.verify().await.unwrap();
    assert_sound(&home).await;

    let closures = state.closures().await.unwrap();
    let told: Vec<_> = closures.iter().map(|one| (one.id.get(), one.system.clone(), one.built_at)).collect();
    assert_eq!(told, [(1, system(0), moment(1)), (2, system(1), moment(3))]);
    assert_eq!(state.current_closure(Kind::Agent).await.unwrap().unwrap().id.get(), 2);
    let builds: Vec<i64> = state.builds().await.unwrap().iter().map(|build| build.id.get()).collect();
    assert_eq!(builds, [4]);

    let berths = state.berths(None).await.unwrap();
    let running = BerthRecord {
        id: berths[0].id,
        kind: Kind::Agent,
        name: name("fix-login"),
        container: "a1".parse().unwrap(),
        phase: Phase::Running,
        wanted: Wanted::Running,
        reason: None,
        closure: closures[0].id,
        system: system(0),
        limits: new_berth("any", closures[0].id).limits,
        host_key: Some("ssh-ed25519 AAAA".to_owned()),
        health: Health::Degraded,
        failed_units: vec!["nginx.service".to_owned()],
        created_by: "ada".to_owned(),
        created_at: moment(10),
        expires_at: None,
        preview: None,
        reaches_database: false,
        gpu: None,
    };
    assert_eq!(berths[0], running);
    let paused = &berths[1];
    assert_eq!((berths.len(), paused.id.get(), paused.container), (2, 3, "a7".parse().unwrap()));
    assert_eq!((paused.phase, paused.wanted), (Phase::Stopped, Wanted::Stopped));
    assert_eq!(paused.reason.as_deref(), Some("for the night"));
    assert_eq!(state.expired(Kind::Agent, moment(20)).await.unwrap(), std::slice::from_ref(paused));

    let events = state.events(&EventFilter::default()).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.action.as_str(), event.outcome, event.at)).collect();
    assert_eq!(told, [("create", Outcome::Began, moment(10)), ("create", Outcome::Succeeded, moment(12))]);
}

#[tokio::test]
async fn a_number_that_was_given_before_an_update_of_berth_is_not_given_again() {
    let home = made_by(1, AGENTS).await;
    let state = home.state().await;
    let closure = state.current_closure(Kind::Agent).await.unwrap().unwrap().id;
    let berth = state.reserve(new_berth("new", closure), subnet("10.1.0.0/16")).await.unwrap();
    assert_eq!((berth.id.get(), berth.container), (6, "a2".parse().unwrap()), "a new number in a free slot");
    let lock = home.build_lock();
    let new = NewBuild { kind: Kind::Agent, source: "path:/flake#agent".into(), begun_at: moment(30) };
    assert_eq!(state.begin_build(new, &lock).await.unwrap().get(), 7);
    let event = NewEvent {
        at: moment(30),
        actor: "ada".to_owned(),
        kind: Kind::Agent,
        name: None,
        container: None,
        action: "build".to_owned(),
        outcome: Outcome::Began,
        detail: None,
    };
    state.add_event(event).await.unwrap();
    let newest: (i64,) =
        sqlx::query_as("SELECT max(id) FROM events").fetch_one(&mut home.raw().await).await.unwrap();
    assert_eq!(newest, (5,));
}

#[tokio::test]
async fn numbers_of_tables_that_are_empty_are_remembered_too() {
    let home = made_by(
        1,
        "INSERT INTO closures (id, kind, source, begun_at, build_lock) VALUES (41, 'agent', 'x', 0, 'build-agent');
         DELETE FROM closures;",
    )
    .await;
    let state = home.state().await;
    let lock = home.build_lock();
    let new = NewBuild { kind: Kind::Agent, source: "x".into(), begun_at: moment(30) };
    assert_eq!(state.begin_build(new, &lock).await.unwrap().get(), 42);
}

#[tokio::test]
async fn what_was_asked_for_before_answers_were_given_is_looked_into_and_has_no_comment() {
    let home = made_by(3, LANES).await;
    let state = home.state().await;
    state.verify().await.unwrap();
    assert_sound(&home).await;
    let [lane] = &state.dirty_lanes().await.unwrap()[..] else { panic!("one lane") };
    assert_eq!((lane.lane.generation, lane.lane.done, lane.lane.unasked), (3, 2, 0));
    let told = Told { comment: Some(4711), reported: Some("ready 0".to_owned()), ..Told::default() };
    assert_eq!(lane.told, told);
    let kept = KeptWish { id: 5, by: "ada".parse().unwrap(), wish: Wish::Rebuild, comment: None };
    assert_eq!(state.wishes(lane.id).await.unwrap(), [kept]);
    assert_eq!(state.answers(lane.id).await.unwrap(), []);
}

#[tokio::test]
async fn an_older_database_becomes_what_a_new_one_is() {
    let schema = async |home: &Home| -> Vec<(String, String)> {
        let rows = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        sqlx::query_as(rows).fetch_all(&mut home.raw().await).await.unwrap()
    };
    let new = Home::new();
    home_is_open(&new).await;
    for migrations in 1..MIGRATIONS.len() {
        let old = made_by(migrations, "").await;
        home_is_open(&old).await;
        assert_eq!(schema(&old).await, schema(&new).await, "from schema {migrations}");
    }
}

async fn home_is_open(home: &Home) {
    home.state().await.close().await;
}
