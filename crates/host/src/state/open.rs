//! Making and opening the database file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_core::Layout;
use rustix::fs::OFlags;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::time::Instant;

use super::{Damage, State, StateError};

/// Marks the file as ours: `Bert` in ASCII.
const APPLICATION_ID: i64 = 0x4265_7274;

/// One after the other; the schema's version is how many have been applied.
/// What has been released is never edited.
const MIGRATIONS: [&str; 5] = [
    include_str!("../../migrations/0001_agents.sql"),
    include_str!("../../migrations/0002_previews.sql"),
    include_str!("../../migrations/0003_lanes.sql"),
    include_str!("../../migrations/0004_answers.sql"),
    include_str!("../../migrations/0005_gpu.sql"),
];

/// The header and the least page of a database. SQLite takes less than a header
/// for a new database and would write to it.
const LENGTH_MIN: u64 = 512;

/// How many statements run at once in one process. Writers wait for each other
/// anyway; readers never wait.
const CONNECTIONS: u32 = 4;

/// Sees to it that there is a complete database in a folder of ours.
///
/// An existing database is only looked at, never opened and closed by hand:
/// POSIX drops all of a process' locks on a file when it closes any descriptor
/// of it, so that a second [`State`] of this process would lose its own
/// (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
pub(super) async fn prepare(layout: &Layout, patience: Duration) -> Result<(), StateError> {
    let folder = layout.state_dir();
    let handle = own_folder(&folder)?;
    let told = |source| StateError::Folder { folder: folder.clone(), source };
    if !is_there(layout).map_err(told)? {
        await_turn(&handle, layout, patience).await?;
        if !is_there(layout).map_err(told)? {
            create(layout, patience).await?;
            handle.sync_all().map_err(told)?;
        }
    }
    match damage_outside(layout).map_err(told)? {
        Some(damage) => Err(StateError::Damaged { database: layout.database(), damage }),
        None => Ok(()),
    }
}

/// The pool. It connects when it is first used.
pub(super) fn pool(database: &Path, patience: Duration) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(patience)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options(database, patience))
}

/// Refuses what is not ours or newer than this program, and brings an older
/// schema up to date.
pub(super) async fn check_schema(state: &State) -> Result<(), StateError> {
    let failed = state.failed("read the schema's version");
    let mut connection = state.pool.acquire().await.map_err(failed)?;
    let mut stamps = Stamps::read(&mut connection).await.map_err(failed)?;
    if stamps.application != APPLICATION_ID {
        return Err(state.damaged(Damage::Foreign));
    }
    let known = schema_version(MIGRATIONS.len());
    if stamps.version < known {
        migrate(&mut connection).await.map_err(state.failed("update the schema"))?;
        stamps = Stamps::read(&mut connection).await.map_err(failed)?;
    }
    if stamps.version > known {
        return Err(state.damaged(Damage::Newer { found: stamps.version, known }));
    }
    if stamps.journal != "wal" {
        // A restored copy may be in another mode.
        use_wal(&mut connection).await.map_err(state.failed("turn WAL mode on"))?;
    }
    Ok(())
}

fn options(database: &Path, patience: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(patience)
        .disable_statement_logging()
}

/// Opens the folder, which is the caller's alone. Folders above it are made
/// with the usual mode: others pass through them to what is not secret.
fn own_folder(folder: &Path) -> Result<File, StateError> {
    let told = |source| StateError::Folder { folder: folder.to_path_buf(), source };
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above).map_err(told)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(told(error)),
        Ok(()) | Err(_) => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let handle =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(folder).map_err(told)?;
    let found = handle.metadata().map_err(told)?;
    let expected = rustix::process::geteuid().as_raw();
    if found.uid() != expected {
        return Err(StateError::FolderOwner { folder: folder.to_path_buf(), owner: found.uid(), expected });
    }
    if found.mode() & 0o777 != 0o700 {
        handle.set_permissions(PermissionsExt::from_mode(0o700)).map_err(told)?;
    }
    Ok(handle)
}

/// Whether anything is there that a new database must not replace.
fn is_there(layout: &Layout) -> io::Result<bool> {
    Ok(kind_of(&layout.database())?.is_some() || damage_outside(layout)?.is_some())
}

/// What is wrong with the file as seen without opening it.
fn damage_outside(layout: &Layout) -> io::Result<Option<Damage>> {
    let damage = match kind_of(&layout.database())? {
        Some(Found::Other) => Some(Damage::NoFile),
        Some(Found::File { length }) if length < LENGTH_MIN => Some(Damage::Short { length }),
        Some(Found::File { .. }) => None,
        None => kind_of(&beside(&layout.database(), "-wal"))?.map(|_| Damage::Lost),
    };
    Ok(damage)
}

enum Found {
    File { length: u64 },
    Other,
}

fn kind_of(path: &Path) -> io::Result<Option<Found>> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => Ok(Some(Found::File { length: found.len() })),
        Ok(_) => Ok(Some(Found::Other)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Waits until no other process makes the database: a lock on the folder,
/// which the kernel takes back from a killed process.
async fn await_turn(folder: &File, layout: &Layout, patience: Duration) -> Result<(), StateError> {
    let deadline = Instant::now() + patience;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::Locked { database: layout.database(), patience });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StateError::Folder { folder: layout.state_dir(), source });
            }
        }
    }
}

/// Makes a database under another name and renames it when it is complete.
/// What a killed process left under that name goes first.
async fn create(layout: &Layout, patience: Duration) -> Result<(), StateError> {
    let database = layout.database();
    let unfinished = beside(&database, ".new");
    let told = |source| StateError::Folder { folder: layout.state_dir(), source };
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(beside(&unfinished, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(error)),
            Ok(()) | Err(_) => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(told)?;
    fill(&unfinished, patience)
        .await
        .map_err(|source| StateError::told(&unfinished, patience, "make a new database", source))?;
    std::fs::rename(&unfinished, &database).map_err(told)
}

async fn fill(unfinished: &Path, patience: Duration) -> sqlx::Result<()> {
    let mut connection = options(unfinished, patience).connect().await?;
    use_wal(&mut connection).await?;
    migrate(&mut connection).await?;
    connection.close().await
}

/// Applies what is missing, all or nothing.
async fn migrate(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let version = Stamps::read(&mut transaction).await?.version;
    if version >= schema_version(MIGRATIONS.len()) {
        // Another process was faster.
        return transaction.rollback().await;
    }
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if schema_version(number) > version {
            sqlx::raw_sql(migration).execute(&mut *transaction).await?;
        }
    }
    let stamp =
        format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", MIGRATIONS.len());
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// What is asked at each open, all of it in the first page of the file.
#[derive(sqlx::FromRow)]
struct Stamps {
    application: i64,
    version: i64,
    journal: String,
}

impl Stamps {
    async fn read(connection: &mut SqliteConnection) -> sqlx::Result<Self> {
        sqlx::query_as(
            "SELECT application_id AS application, user_version AS version, journal_mode AS journal \
             FROM pragma_application_id, pragma_user_version, pragma_journal_mode",
        )
        .fetch_one(connection)
        .await
    }
}

/// The mode stays with the file. It is not set at each connect, which would
/// change the file before anything is known about it.
async fn use_wal(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(connection).await.map(|_| ())
}

fn schema_version(migrations: usize) -> i64 {
    i64::try_from(migrations).expect("there are few migrations")
}

#[cfg(test)]
mod tests;
