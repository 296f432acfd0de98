//! The real PostgreSQL, through its socket.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::PreviewId;
use berth_core::firewall::DATABASE_PORT;
use secrecy::SecretString;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::time::{Instant, timeout};

use super::{Postgres, PostgresError, statements};

/// Where Berth connects to administer: every PostgreSQL has it.
const DATABASE: &str = "postgres";

/// PostgreSQL answers in milliseconds, unless it is about to refuse for want of
/// free connections.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest statement: making or dropping a database on a busy disk, or
/// waiting for another process that does so.
const STATEMENT: &str = "60s";

/// All statements of one call.
const OPERATION: Duration = Duration::from_mins(3);

/// How long a database is tried to be dropped that somebody uses.
const IN_USE: Duration = Duration::from_secs(20);

/// What 64 bits begin with that lock a preview's database: `Bert` in ASCII.
const LOCKS: i64 = 0x4265_7274 << 32;

/// The PostgreSQL of this host, as a role that may make roles and databases.
/// One connection for each call; none is kept.
pub struct PostgresAdmin {
    socket_dir: PathBuf,
    role: String,
}

/// What there is of a preview.
struct Found {
    has_role: bool,
    has_database: bool,
    /// Half dropped: nobody can connect to it any more.
    is_invalid: bool,
}

impl PostgresAdmin {
    /// The one that listens in this folder, entered as this role.
    pub fn new(socket_dir: PathBuf, role: String) -> Self {
        Self { socket_dir, role }
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, PostgresError> {
        let socket = self.socket_dir.join(format!(".s.PGSQL.{DATABASE_PORT}"));
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(DATABASE_PORT)
            .username(&self.role)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
            .application_name("berth")
            .options([("statement_timeout", STATEMENT), ("lock_timeout", STATEMENT)])
            .disable_statement_logging();
        match timeout(CONNECT, options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(sqlx::Error::Io(error))) if is_nobody(error.kind()) => {
                Err(PostgresError::NotThere { socket })
            }
            Ok(Err(source)) if has_state(&source, TOO_MANY_CONNECTIONS) => {
                Err(PostgresError::Full { role: self.role.clone(), source })
            }
            Ok(Err(source)) => Err(PostgresError::Connect { socket, role: self.role.clone(), source }),
            Err(_) => Err(PostgresError::Deadline { aim: "let Berth in".to_owned(), after: CONNECT }),
        }
    }

    async fn make(&self, id: PreviewId, password: &SecretString) -> Result<(), PostgresError> {
        let refused = |source| PostgresError::Refused { aim: making(id), source };
        let mut connection = self.connect(DATABASE).await?;
        // PostgreSQL before 15 does not know the question.
        let _ = run(&mut connection, statements::log_nothing()).await;
        lock(&mut connection, id).await.map_err(refused)?;
        let found = look(&mut connection, id, refused).await?;
        let mut script = vec![statements::set_role(id, password, found.has_role), statements::join_role(id)];
        if found.is_invalid {
            script.push(statements::drop_database(id));
        }
        if !found.has_database || found.is_invalid {
            script.push(statements::create_database(id));
        }
        script.push(statements::close_database(id));
        run_each(&mut connection, script).await.map_err(refused)?;
        connection.close().await.map_err(refused)
    }

    async fn unmake(&self, id: PreviewId) -> Result<(), PostgresError> {
        let refused = |source| PostgresError::Refused { aim: removing(id), source };
        let mut connection = self.connect(DATABASE).await?;
        lock(&mut connection, id).await.map_err(refused)?;
        let found = look(&mut connection, id, refused).await?;
        if found.has_role {
            let script = [statements::join_role(id), statements::close_role(id)];
            run_each(&mut connection, script).await.map_err(refused)?;
        }
        if found.has_database {
            if !found.is_invalid {
                run(&mut connection, statements::release_database(id)).await.map_err(refused)?;
            }
            drop_database(&mut connection, id).await.map_err(refused)?;
        }
        if found.has_role {
            self.drop_grants_elsewhere(&mut connection, id).await?;
            let script = [statements::drop_owned(id), statements::drop_role(id)];
            run_each(&mut connection, script).await.map_err(refused)?;
        }
        connection.close().await.map_err(refused)
    }

    /// Takes back what other previews granted to this one's role in their
    /// databases: with that it could not be dropped.
    async fn drop_grants_elsewhere(
        &self,
        connection: &mut PgConnection,
        id: PreviewId,
    ) -> Result<(), PostgresError> {
        let refused = |source| PostgresError::Refused { aim: removing(id), source };
        let databases: Vec<String> = sqlx::query_scalar(statements::GRANTS_ELSEWHERE)
            .bind(id.database())
            .fetch_all(&mut *connection)
            .await
            .map_err(refused)?;
        // Where another one of the host's databases holds the role, PostgreSQL
        // says so in the end.
        for other in databases.iter().filter_map(|name| PreviewId::from_database(name).ok()) {
            run(connection, statements::join_role(other)).await.map_err(refused)?;
            run_each(connection, statements::open_database(other)).await.map_err(refused)?;
            let mut visit = self.connect(&other.database()).await?;
            run(&mut visit, statements::drop_owned(id)).await.map_err(refused)?;
            visit.close().await.map_err(refused)?;
        }
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>, PostgresError> {
        let refused = |source| PostgresError::Refused { aim: LISTING.to_owned(), source };
        let mut connection = self.connect(DATABASE).await?;
        let names = sqlx::query_scalar(statements::LIST).fetch_all(&mut connection).await.map_err(refused)?;
        connection.close().await.map_err(refused)?;
        Ok(names)
    }
}

#[async_trait]
impl Postgres for PostgresAdmin {
    async fn ensure(&self, id: PreviewId, password: &SecretString) -> Result<(), PostgresError> {
        within(making(id), self.make(id, password)).await
    }

    async fn remove(&self, id: PreviewId) -> Result<(), PostgresError> {
        within(removing(id), self.unmake(id)).await
    }

    async fn list(&self) -> Result<BTreeSet<PreviewId>, PostgresError> {
        let names = within(LISTING.to_owned(), self.names()).await?;
        Ok(names.iter().filter_map(|name| PreviewId::from_database(name).ok()).collect())
    }
}

const LISTING: &str = "list databases and roles";

fn making(id: PreviewId) -> String {
    format!("make the database `{}`", id.database())
}

fn removing(id: PreviewId) -> String {
    format!("remove the database `{}` with its role", id.database())
}

async fn within<T>(
    aim: String,
    work: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    let ended = timeout(OPERATION, work).await;
    ended.unwrap_or(Err(PostgresError::Deadline { aim, after: OPERATION }))
}

/// No socket, or one that a killed PostgreSQL left.
fn is_nobody(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Keeps other processes away from this preview's database for as long as the
/// connection lives. That is also as long as PostgreSQL works on for a process
/// that was killed. Different previews do not wait for each other.
async fn lock(connection: &mut PgConnection, id: PreviewId) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_catalog.pg_advisory_lock($1)")
        .bind(LOCKS ^ id.get())
        .execute(connection)
        .await
        .map(drop)
}

/// What there is. A database of this name with another owner is none of ours.
async fn look(
    connection: &mut PgConnection,
    id: PreviewId,
    refused: impl Fn(sqlx::Error) -> PostgresError,
) -> Result<Found, PostgresError> {
    let name = id.database();
    let (has_role, owner, is_invalid): (bool, Option<String>, bool) =
        sqlx::query_as(statements::LOOK).bind(&name).fetch_one(connection).await.map_err(refused)?;
    match owner {
        Some(owner) if owner != name => Err(PostgresError::Foreign { database: name, owner }),
        owner => Ok(Found { has_role, has_database: owner.is_some(), is_invalid }),
    }
}

/// `FORCE` ends the preview's own connections, but refuses where it meets an
/// autovacuum worker; the plain form sends that one away. Whoever else is in
/// there has some seconds to leave.
async fn drop_database(connection: &mut PgConnection, id: PreviewId) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + IN_USE;
    loop {
        match run(connection, statements::drop_database_by_force(id)).await {
            Err(error) if has_state(&error, INSUFFICIENT_PRIVILEGE) || has_state(&error, OBJECT_IN_USE) => {}
            ended => return ended,
        }
        // Waits up to five seconds itself.
        match run(connection, statements::drop_database(id)).await {
            Err(error) if has_state(&error, OBJECT_IN_USE) && Instant::now() < deadline => {}
            ended => return ended,
        }
    }
}

const INSUFFICIENT_PRIVILEGE: &str = "42501";
const OBJECT_IN_USE: &str = "55006";
const TOO_MANY_CONNECTIONS: &str = "53300";

fn has_state(error: &sqlx::Error, state: &str) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == state)
}

async fn run_each(
    connection: &mut PgConnection,
    script: impl IntoIterator<Item = String>,
) -> Result<(), sqlx::Error> {
    for statement in script {
        run(connection, statement).await?;
    }
    Ok(())
}

/// Runs a statement by itself, unprepared: `CREATE DATABASE` wants it so.
async fn run(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_socket_and_a_dead_one_are_told_apart_from_a_refusal() {
        let folder = tempfile::tempdir().expect("a folder");
        let postgres = PostgresAdmin::new(folder.path().to_owned(), "berth".to_owned());
        let socket = folder.path().join(".s.PGSQL.5432");
        let not_there = |result: Result<_, PostgresError>| {
            let error: PostgresError = result.map(drop).expect_err("nobody listens");
            assert!(matches!(&error, PostgresError::NotThere { socket: at } if *at == socket), "{error:?}");
        };
        not_there(postgres.list().await);
        // A killed server leaves its socket.
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("bound"));
        not_there(postgres.list().await);

        std::fs::remove_file(&socket).expect("removed");
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        std::thread::spawn(move || drop(listener.accept()));
        let error = postgres.list().await.expect_err("it hangs up");
        assert!(matches!(error, PostgresError::Connect { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn no_free_connection_is_told_as_that() {
        use std::io::{Read, Write};

        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join(".s.PGSQL.5432");
        let listener = std::os::unix::net::UnixListener::bind(socket).expect("bound");
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("a connection");
            let _ = peer.read(&mut [0; 1024]);
            let fields = b"SFATAL\0VFATAL\0C53300\0Mremaining connection slots are reserved\0\0";
            let length = u32::try_from(fields.len() + 4).expect("short").to_be_bytes();
            let _ = peer.write_all(&[b"E", &length[..], fields].concat());
        });
        let postgres = PostgresAdmin::new(folder.path().to_owned(), "berth".to_owned());
        let error = postgres.list().await.expect_err("no connection is left");
        assert!(matches!(error, PostgresError::Full { .. }), "{error:?}");
        insta::assert_snapshot!(error, @"PostgreSQL has no connection left for `berth`: end some of those in `pg_stat_activity`, or raise `max_connections`");
    }
}
