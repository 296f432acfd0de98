//! PostgreSQL of the host: a role and a database for each preview that wants
//! one, both of one name.
//!
//! # What the operator sets up once
//! - `CREATE ROLE berth LOGIN CREATEDB CREATEROLE`: no superuser.
//! - `pg_hba.conf`: `local all berth peer map=berth`, and in `pg_ident.conf`
//!   `berth root berth`: root is this role on the socket. `all`, and not just
//!   `postgres`: a role that other previews granted something to can only be
//!   dropped after a visit to their databases.
//! - `pg_hba.conf`, for the previews themselves, after which no line is needed
//!   for any of them: `host sameuser all SUBNET scram-sha-256`, then
//!   `host all all SUBNET reject`.
//!
//! # Why these rights are enough
//! - `CREATEROLE` makes and drops the roles. From 16 on only those for which it
//!   has the `ADMIN` option, which it gets for what it makes itself
//!   (<https://www.postgresql.org/docs/16/role-attributes.html>).
//! - A database gets an owner other than its maker when the maker is a member
//!   of the owner, from 16 on with the `SET` option
//!   (<https://www.postgresql.org/docs/16/sql-createdatabase.html>), and only
//!   its owner or a member drops it. So `berth` grants itself each role. A plain
//!   `GRANT` brings `SET`, and `INHERIT` as `berth` has it, by default yes
//!   (<https://www.postgresql.org/docs/16/sql-grant.html>); what a role gets
//!   by itself for what it makes brings neither
//!   (<https://www.postgresql.org/docs/16/runtime-config-client.html#GUC-CREATEROLE-SELF-GRANT>).
//!
//! # What is expected of a preview
//! It owns its database and runs any statement there. It can make the database
//! a template, refuse connections to it and grant something of its own to the
//! role of another preview: all of it things that keep a database or a role
//! from being dropped. They are undone first. Prepared transactions would do
//! so too: leave `max_prepared_transactions` at 0, as it is by default.

#[cfg(any(test, feature = "fake"))]
mod fake;
mod real;
mod statements;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::PreviewId;
use secrecy::SecretString;
use thiserror::Error;

#[cfg(any(test, feature = "fake"))]
pub use self::fake::FakePostgres;
pub use self::real::PostgresAdmin;
pub use self::statements::CONNECTIONS_MAX;

/// The PostgreSQL of the host, as previews need it.
#[async_trait]
pub trait Postgres: Send + Sync {
    /// Sees to it that the preview has its role and its database, and that the
    /// role has this password. Can be repeated: what is half made goes on, data
    /// stays.
    async fn ensure(&self, id: PreviewId, password: &SecretString) -> Result<(), PostgresError>;

    /// Removes database and role, with the connections to it. Not there is
    /// success.
    async fn remove(&self, id: PreviewId) -> Result<(), PostgresError>;

    /// The previews of which there is a database, a role or both.
    async fn list(&self) -> Result<BTreeSet<PreviewId>, PostgresError>;
}

/// What could not be done about databases.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// Nobody listens. Databases may exist all the same: a PostgreSQL that was
    /// stopped has no socket either.
    #[error(
        "PostgreSQL does not listen on `{}`: start it, or install it if previews are to have \
         databases of the host",
        socket.display()
    )]
    NotThere {
        /// Where its socket should be.
        socket: PathBuf,
    },
    /// It does not let Berth in.
    #[error(
        "could not connect to PostgreSQL on `{}` as `{role}`: this takes the role (LOGIN CREATEDB CREATEROLE), \
         `local all {role} peer map=berth` in pg_hba.conf and `berth root {role}` in pg_ident.conf",
        socket.display()
    )]
    Connect {
        /// Its socket.
        socket: PathBuf,
        /// Berth's role.
        role: String,
        /// PostgreSQL's or the system's reason.
        source: sqlx::Error,
    },
    /// Others hold all connections. Two previews can: each may have
    /// [`CONNECTIONS_MAX`].
    #[error(
        "PostgreSQL has no connection left for `{role}`: end some of those in `pg_stat_activity`, or raise \
         `max_connections`"
    )]
    Full {
        /// Berth's role.
        role: String,
        /// PostgreSQL's words.
        source: sqlx::Error,
    },
    /// It does not answer.
    #[error("PostgreSQL did not {aim} within {after:?}; look at its log, then try again")]
    Deadline {
        /// What was tried, with its subject.
        aim: String,
        /// For how long.
        after: Duration,
    },
    /// A database with a preview's name is somebody else's.
    #[error(
        "the database `{database}` belongs to `{owner}` and not to the role of its name; rename or drop it"
    )]
    Foreign {
        /// Its name.
        database: String,
        /// Its owner.
        owner: String,
    },
    /// PostgreSQL refused.
    #[error("PostgreSQL could not {aim}")]
    Refused {
        /// What was tried, with its subject.
        aim: String,
        /// PostgreSQL's reason.
        source: sqlx::Error,
    },
}
