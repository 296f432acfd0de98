//! What the tests of the state share, and the tests of the whole.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use berth_core::{Kind, Layout, Limits, Name, Phase, StorePath, Subnet};
use jiff::Timestamp;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

use super::*;
use crate::lock::{Lock, LockName, Locks};

/// Tells a child where the parent's host is.
const HOME: &str = "BERTH_TEST_HOME";

/// A host in a temporary folder.
pub(super) struct Home {
    folder: PathBuf,
    _owned: Option<TempDir>,
}

impl Home {
    pub(super) fn new() -> Self {
        let owned = TempDir::new().unwrap();
        Self { folder: owned.path().to_path_buf(), _owned: Some(owned) }
    }

    /// The parent's, when this process is the child of a test.
    pub(super) fn of_parent() -> Option<Self> {
        Some(Self { folder: std::env::var_os(HOME)?.into(), _owned: None })
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::below(&self.folder)
    }

    pub(super) async fn state(&self) -> State {
        State::open(&self.layout()).await.unwrap()
    }

    pub(super) async fn open_for(&self, patience: Duration) -> Result<State, StateError> {
        State::open_within(&self.layout(), patience).await
    }

    pub(super) fn build_lock(&self) -> Lock {
        let locks = Locks::new(&self.layout());
        locks.try_lock(LockName::Build(Kind::Agent), "agent build").unwrap().expect("nobody builds")
    }

    /// Closes a state and moves what is in its log into the file. Two
    /// connections that close at once leave the log to the next one.
    pub(super) async fn settle(&self, state: State) {
        state.close().await;
        let mut last = self.raw().await;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut last).await.unwrap();
        last.close().await.unwrap();
    }

    /// A connection past Berth's own code.
    pub(super) async fn raw(&self) -> SqliteConnection {
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.layout().database())
            .foreign_keys(false)
            .connect()
            .await
            .unwrap()
    }

    /// Runs a statement past Berth's own code.
    pub(super) async fn sql(&self, statement: &'static str) {
        let mut connection = self.raw().await;
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Runs one ignored test of this program in a process of its own.
    pub(super) fn child(&self, module: &str, test: &str) -> Child {
        let (_, module) = module.split_once("::").expect("a module of this crate");
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", &format!("{module}::{test}")])
            .env(HOME, &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

pub(super) fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn subnet(text: &str) -> Subnet {
    text.parse::<ipnet::Ipv4Net>().unwrap().try_into().unwrap()
}

pub(super) fn system(number: u8) -> StorePath {
    format!("/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqs{number:02}-nixos-system").parse().unwrap()
}

/// A closure that can be used.
pub(super) async fn closure(home: &Home, state: &State) -> ClosureId {
    let lock = home.build_lock();
    let new = NewBuild { kind: Kind::Agent, source: "path:/flake#agent".into(), begun_at: moment(0) };
    let id = state.begin_build(new, &lock).await.unwrap();
    state.finish_build(id, &system(0), moment(1)).await.unwrap().closure.id
}

pub(super) fn new_berth(text: &str, closure: ClosureId) -> NewBerth {
    NewBerth {
        kind: Kind::Agent,
        name: name(text),
        closure,
        limits: Limits {
            memory: "1536M".parse().unwrap(),
            cpus: "1.5".parse().unwrap(),
            tasks: "4096".parse().unwrap(),
        },
        created_by: "ada".into(),
        created_at: moment(10),
        expires_at: Some(moment(20)),
        preview: None,
        reaches_database: false,
        gpu: None,
    }
}

#[tokio::test]
async fn a_locked_database_is_told_with_the_next_step_and_can_still_be_read() {
    let home = Home::new();
    let holder = home.state().await;
    let closure = closure(&home, &holder).await;
    let hold = holder.write("hold the database").await.unwrap();
    let state = home.open_for(Duration::from_millis(300)).await.unwrap();

    let error = state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap_err();
    let database = home.layout().database();
    let database = database.display();
    assert_eq!(
        error.to_string(),
        format!(
            "another process has held the state database `{database}` for 0.3 s: \
             see which with `fuser -v {database}`, then try again"
        )
    );
    assert_eq!(state.berths(None).await.unwrap(), []);

    hold.rollback().await.unwrap();
    state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap();
}

#[tokio::test]
async fn a_database_that_another_program_keeps_to_itself_is_locked_and_not_empty() {
    let home = Home::new();
    home.settle(home.state().await).await;
    let mut other = home.raw().await;
    sqlx::raw_sql(
        "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE berths SET reason = '' WHERE id = 0",
    )
    .execute(&mut other)
    .await
    .unwrap();
    let error = home.open_for(Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, StateError::Locked { .. }), "{error:?}");
}

#[tokio::test]
async fn more_tasks_than_connections_wait_as_long_as_a_locked_database_lets_them() {
    let home = Home::new();
    let holder = home.state().await;
    let hold = holder.write("hold the database").await.unwrap();
    let state = home.open_for(Duration::from_millis(200)).await.unwrap();
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let state = state.clone();
            tokio::spawn(async move { state.write("wait").await.map(drop) })
        })
        .collect();
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(error, StateError::Locked { .. }), "{error:?}");
    }
    drop(hold);
}

#[tokio::test]
async fn a_value_without_a_meaning_is_told_with_its_place_and_never_skipped() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    for text in ["a", "b"] {
        state.reserve(new_berth(text, closure), subnet("10.1.0.0/16")).await.unwrap();
    }
    let database = home.layout().database();
    let database = database.display();
    for (damage, column, problem) in [
        ("UPDATE berths SET phase = 'asleep' WHERE id = 2", "phase", "`asleep` is no phase"),
        ("UPDATE berths SET wanted = 'gone' WHERE id = 2", "wanted", "`gone` is no phase"),
        ("UPDATE berths SET kind = 'pet' WHERE id = 2", "kind", "`pet` is no kind"),
        ("UPDATE berths SET health = 'ill' WHERE id = 2", "health", "`ill` is no health"),
        (
            "UPDATE berths SET slot = 128 WHERE id = 2",
            "slot",
            "128 is no slot: slots are 1 to 32767 without the multiples of 128",
        ),
        ("UPDATE berths SET slot = -1 WHERE id = 2", "slot", "-1 is out of range"),
        ("UPDATE berths SET closure_id = 77 WHERE id = 2", "closure_id", "that closure is not there"),
        (
            "UPDATE berths SET name = '-b' WHERE id = 2",
            "name",
            "`-b` begins or ends with `-`: a name begins and ends with a letter or a digit",
        ),
    ] {
        assert_eq!(state.berths(None).await.unwrap().len(), 2);
        home.sql(damage).await;
        let error = state.berths(None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the state database `{database}` is damaged: row 2 of table `berths` has no meaning in column \
                 `{column}` ({problem}); nothing was changed: correct the row with `sqlite3 {database}`, \
                 or restore a backup"
            )
        );
        home.sql(
            "UPDATE berths SET (kind, slot, name, phase, wanted, health, closure_id) = \
             ('agent', 2, 'b', 'reserved', 'running', 'unknown', 1) WHERE id = 2",
        )
        .await;
    }
}

#[tokio::test]
async fn a_slot_without_a_meaning_stops_a_reservation() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap();
    home.sql("UPDATE berths SET slot = 128").await;
    let error = state.reserve(new_berth("b", closure), subnet("10.1.0.0/16")).await.unwrap_err();
    assert!(matches!(error, StateError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn verify_finds_what_refers_to_nothing() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap();
    state.verify().await.unwrap();

    home.sql("UPDATE berths SET closure_id = 77").await;
    let error = state.verify().await.unwrap_err();
    assert!(error.to_string().contains("(1 rows refer to rows that are gone)"), "{error}");
}

#[tokio::test]
async fn events_outlive_their_berth_and_come_newest_last() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let record = state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap();
    let event = |second, action: &str, outcome, name: Option<&str>| NewEvent {
        at: moment(second),
        actor: "ada".into(),
        kind: Kind::Agent,
        name: name.map(|text| text.parse().unwrap()),
        container: name.map(|_| record.container),
        action: action.into(),
        outcome,
        detail: Some("why".into()),
    };
    state.add_event(event(1, "create", Outcome::Began, Some("a"))).await.unwrap();
    state.add_event(event(2, "build", Outcome::Failed, None)).await.unwrap();
    state.add_event(event(3, "create", Outcome::Succeeded, Some("a"))).await.unwrap();
    state
        .advance(record.id, Phase::Reserved, berth_core::phase::Happening::DestroyBegan, None)
        .await
        .unwrap();
    state.remove(record.id).await.unwrap();

    let all = state.events(&EventFilter::default()).await.unwrap();
    let seen: Vec<_> = all.iter().map(|e| (e.id, e.action.as_str(), e.outcome)).collect();
    assert_eq!(
        seen,
        [(1, "create", Outcome::Began), (2, "build", Outcome::Failed), (3, "create", Outcome::Succeeded)]
    );
    let filter = EventFilter { name: Some(name("a")), limit: Some(1), kind: Some(Kind::Agent) };
    let newest = state.events(&filter).await.unwrap();
    assert_eq!(
        newest,
        [Event {
            id: 3,
            at: moment(3),
            actor: "ada".into(),
            kind: Kind::Agent,
            name: Some(name("a")),
            container: Some("a1".parse().unwrap()),
            action: "create".into(),
            outcome: Outcome::Succeeded,
            detail: Some("why".into()),
        }]
    );
    let previews = EventFilter { kind: Some(Kind::Preview), ..EventFilter::default() };
    assert_eq!(state.events(&previews).await.unwrap(), []);
}
