mod migration;

use std::os::unix::fs::symlink;

use sqlx::{Executor, Row};

use super::super::tests::{Home, closure, new_berth, subnet};
use super::*;

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o777
}

/// The whole message, with `DB` for the database's path.
async fn refusal(home: &Home) -> String {
    let error = State::open(&home.layout()).await.unwrap_err();
    assert!(!matches!(error, StateError::Locked { .. }));
    error.to_string().replace(&home.layout().database().display().to_string(), "DB")
}

#[tokio::test]
async fn folder_and_files_belong_to_their_owner_alone() {
    let home = Home::new();
    let state = home.state().await;
    closure(&home, &state).await;
    let database = home.layout().database();
    assert_eq!(mode(&home.layout().state_dir()), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&database, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(mode(home.layout().state_dir().parent().unwrap()) & 0o055, 0o055);
    home.settle(state).await;
    let files: Vec<_> =
        std::fs::read_dir(home.layout().state_dir()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["berth.db"]);
}

#[tokio::test]
async fn a_folder_that_others_may_read_is_closed_to_them() {
    let home = Home::new();
    let folder = home.layout().state_dir();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    home.state().await;
    assert_eq!(mode(&folder), 0o700);
}

#[tokio::test]
async fn the_database_is_as_safe_as_promised() {
    let home = Home::new();
    let state = home.state().await;
    let mut connection = state.pool.acquire().await.unwrap();
    let (journal, synchronous, foreign_keys, busy_timeout): (String, i64, i64, i64) = sqlx::query_as(
        "SELECT journal_mode, synchronous, foreign_keys, timeout FROM pragma_journal_mode, pragma_synchronous, \
         pragma_foreign_keys, pragma_busy_timeout",
    )
    .fetch_one(&mut *connection)
    .await
    .unwrap();
    assert_eq!((journal.as_str(), synchronous, foreign_keys, busy_timeout), ("wal", 2, 1, 10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_open_at_first_make_one_database() {
    let home = Home::new();
    let opened: Vec<_> = (0..16)
        .map(|_| {
            let layout = home.layout();
            tokio::spawn(async move { State::open(&layout).await })
        })
        .collect();
    let mut states = Vec::new();
    for one in opened {
        states.push(one.await.unwrap().unwrap());
    }
    closure(&home, &states[0]).await;
    for state in &states {
        assert_eq!(state.closures().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_a_killed_process_left_half_made_is_made_anew() {
    let home = Home::new();
    let folder = home.layout().state_dir();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("berth.db.new"), "half a data").unwrap();
    std::fs::write(folder.join("berth.db.new-wal"), "base").unwrap();
    home.state().await.verify().await.unwrap();
    assert!(!folder.join("berth.db.new").exists());
    assert!(!folder.join("berth.db.new-wal").exists());
}

#[tokio::test]
async fn what_was_recorded_is_there_after_opening_again() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let record = state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap();
    home.settle(state).await;
    assert_eq!(home.state().await.berths(None).await.unwrap(), [record]);
}

#[tokio::test]
async fn a_second_state_of_one_process_takes_no_lock_from_the_first() {
    let home = Home::new();
    let first = home.state().await;
    closure(&home, &first).await;
    let inode = home.layout().database().metadata().unwrap().ino();
    let is_locked = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|lock| lock.contains("POSIX") && lock.contains(&format!(":{inode} ")))
    };
    assert!(is_locked());
    home.state().await.close().await;
    assert!(is_locked());
    first.close().await;
    assert!(!is_locked(), "the test can see an open file");
}

#[tokio::test]
async fn garbage_is_no_database() {
    let home = Home::new();
    home.settle(home.state().await).await;
    std::fs::write(home.layout().database(), vec![b'x'; 8192]).unwrap();
    assert_eq!(
        refusal(&home).await,
        "the state database `DB` is damaged: it is no SQLite database; nothing was changed: keep a copy of the \
         folder, then restore a backup or rescue the rows with `sqlite3 DB .recover`"
    );
}

#[tokio::test]
async fn a_truncated_file_is_malformed_and_an_empty_one_is_no_fresh_start() {
    let home = Home::new();
    let state = home.state().await;
    closure(&home, &state).await;
    home.settle(state).await;
    let file = OpenOptions::new().write(true).open(home.layout().database()).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    assert_eq!(
        refusal(&home).await,
        "the state database `DB` is damaged: SQLite finds it malformed; nothing was changed: keep a copy of the \
         folder, then restore a backup or rescue the rows with `sqlite3 DB .recover`"
    );
    for length in [511, 99, 1, 0] {
        file.set_len(length).unwrap();
        assert_eq!(
            refusal(&home).await,
            format!(
                "the state database `DB` is damaged: it has {length} bytes; nothing was changed: \
                 restore a backup of the whole folder"
            )
        );
    }
    assert_eq!(file.metadata().unwrap().len(), 0, "nothing was changed");
}

#[tokio::test]
async fn a_lost_file_is_no_fresh_start_while_its_log_is_there() {
    let home = Home::new();
    let state = home.state().await;
    closure(&home, &state).await;
    std::fs::remove_file(home.layout().database()).unwrap();
    assert_eq!(
        refusal(&home).await,
        "the state database `DB` is damaged: the file is gone although its log `berth.db-wal` is there; nothing was \
         changed: restore a backup of the whole folder"
    );
}

#[tokio::test]
async fn a_damaged_page_is_found_when_it_is_read() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    state.reserve(new_berth("a", closure), subnet("10.1.0.0/16")).await.unwrap();
    home.settle(state).await;
    let page: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'berths'")
        .fetch_one(&mut home.raw().await)
        .await
        .unwrap();
    let begin = usize::try_from(page - 1).unwrap() * 4096;
    let mut bytes = std::fs::read(home.layout().database()).unwrap();
    bytes[begin..begin + 4096].fill(0xff);
    std::fs::write(home.layout().database(), bytes).unwrap();

    let state = home.state().await;
    for error in [state.berths(None).await.unwrap_err(), state.verify().await.unwrap_err()] {
        assert!(matches!(&error, StateError::Damaged { damage: Damage::Malformed { .. }, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let home = Home::new();
    home.settle(home.state().await).await;
    home.sql("PRAGMA user_version = 7").await;
    assert_eq!(
        refusal(&home).await,
        "the state database `DB` is damaged: a newer Berth has given it schema 7, and this one knows schema 5; \
         use the newer Berth again, or restore the backup from before its first start"
    );
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let home = Home::new();
    home.settle(home.state().await).await;
    home.sql("PRAGMA application_id = 1").await;
    assert_eq!(
        refusal(&home).await,
        "the state database `DB` is damaged: it is the database of another program; nothing was changed: find out \
         what put it there, move it away, and restore Berth's own"
    );
}

#[tokio::test]
async fn a_copy_in_another_mode_is_brought_back_to_wal_and_one_of_another_program_is_not() {
    let home = Home::new();
    home.settle(home.state().await).await;
    let journal = async || {
        let mut connection = home.raw().await;
        let row = connection.fetch_one("PRAGMA journal_mode").await.unwrap();
        connection.close().await.unwrap();
        row.get::<String, _>(0)
    };
    home.sql("PRAGMA journal_mode = DELETE").await;
    assert_eq!(journal().await, "delete");
    home.settle(home.state().await).await;
    assert_eq!(journal().await, "wal");

    home.sql("PRAGMA journal_mode = DELETE; PRAGMA application_id = 1").await;
    State::open(&home.layout()).await.unwrap_err();
    assert_eq!(journal().await, "delete");
}

#[tokio::test]
async fn a_link_in_the_place_of_the_database_is_not_followed() {
    let home = Home::new();
    let elsewhere = Home::new();
    elsewhere.settle(elsewhere.state().await).await;
    std::fs::create_dir_all(home.layout().state_dir()).unwrap();
    for target in [elsewhere.layout().database(), "/nowhere".into()] {
        symlink(target, home.layout().database()).unwrap();
        assert_eq!(
            refusal(&home).await,
            "the state database `DB` is damaged: it is no regular file; nothing was changed: find out what put it \
             there, move it away, and restore Berth's own"
        );
        std::fs::remove_file(home.layout().database()).unwrap();
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_told() {
    let home = Home::new();
    home.settle(home.state().await).await;
    std::fs::create_dir(beside(&home.layout().database(), "-wal")).unwrap();
    assert_eq!(
        refusal(&home).await,
        "could not read the schema's version: the state database `DB` cannot be opened for writing; \
         check the owner, the mode and the file system of `DB`"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told() {
    let home = Home::new();
    let folder = home.layout().state_dir();
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "").unwrap();
    let error = State::open(&home.layout()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not prepare `{}`, the folder of the state database", folder.display())
    );
}

#[tokio::test]
async fn a_folder_of_another_user_is_refused() {
    let home = Home::new();
    let folder = home.layout().state_dir();
    std::fs::create_dir_all(&folder).unwrap();
    if std::os::unix::fs::chown(&folder, Some(65_534), None).is_err() {
        return; // only root can give a folder away
    }
    let error = State::open(&home.layout()).await.unwrap_err();
    let shown = folder.display();
    assert_eq!(
        error.to_string(),
        format!(
            "`{shown}`, the folder of the state database, belongs to user 65534 and not to user 0: \
             find out who made it, then `chown -R 0 {shown}`"
        )
    );
}
