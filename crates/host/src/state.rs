//! The state database: the only record of what Berth has made.
//!
//! SQLite at [`Layout::database`], shared by every process of Berth. It is in
//! WAL mode with `synchronous = FULL`, so that a commit survives a power cut.
//! Every transaction that writes is `BEGIN IMMEDIATE`: a deferred one that reads
//! first fails at once when another process writes in between, whatever the
//! busy timeout. None is held while a tool runs, and every change of a phase is
//! a compare-and-set, so that a stale plan changes nothing.
//!
//! What cannot be read is an error and never an empty answer: reconcile removes
//! from the host whatever has no record.
//!
//! Three kinds of row: a [`BerthRecord`] for what lives on the host, a
//! [`ClosureRecord`] (before that, a [`BuildRecord`]) for a pre-built system,
//! and an [`Event`] for each thing that somebody did. Times are arguments and
//! are kept in milliseconds.

mod berths;
mod closures;
mod deliveries;
mod error;
mod events;
mod lanes;
mod open;
mod previews;
mod row;
mod wishes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use berth_core::Layout;
use sqlx::{Sqlite, SqlitePool, Transaction};

pub use berths::{BerthId, BerthRecord, NewBerth};
pub use closures::{
    BuildRecord, ClosureId, ClosureRecord, FinishedBuild, NewBuild, NewPreviewBuild, PreviewClosure,
    PreviewSystem,
};
pub use deliveries::{Asked, Meaning, NewDelivery, Taken};
pub use error::{Damage, StateError};
pub use events::{Event, EventFilter, NewEvent, Outcome, OutcomeWordError};
pub use lanes::{LaneId, LaneRecord, Told};
pub use previews::{Deployment, NewPreview, PreviewRecord, RepositoryId};
pub use wishes::{KeptAnswer, KeptWish, Settled};

/// How long a process waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The open state database. Clones share its few connections.
#[derive(Clone, Debug)]
pub struct State {
    pool: SqlitePool,
    database: Arc<Path>,
    patience: Duration,
}

impl State {
    /// Opens the database of this host, and makes it where there is none. Its
    /// folder belongs to the caller alone (0700), and so does the file (0600),
    /// from the first moment on.
    pub async fn open(layout: &Layout) -> Result<Self, StateError> {
        Self::open_within(layout, PATIENCE).await
    }

    async fn open_within(layout: &Layout, patience: Duration) -> Result<Self, StateError> {
        open::prepare(layout, patience).await?;
        let database: Arc<Path> = layout.database().into();
        let state = Self { pool: open::pool(&database, patience), database, patience };
        open::check_schema(&state).await?;
        Ok(state)
    }

    /// Reads the whole file and compares its parts with each other.
    pub async fn verify(&self) -> Result<(), StateError> {
        let failed = self.failed("verify the file");
        let findings: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&self.pool).await.map_err(failed)?;
        if findings != ["ok"] {
            return Err(self.damaged(Damage::Malformed { findings }));
        }
        let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(&self.pool).await.map_err(failed)?;
        if orphans.is_empty() {
            Ok(())
        } else {
            let findings = vec![format!("{} rows refer to rows that are gone", orphans.len())];
            Err(self.damaged(Damage::Malformed { findings }))
        }
    }

    /// Closes the connections of all clones, when what they do is done.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction that writes.
    async fn write(&self, aim: &'static str) -> Result<Transaction<'static, Sqlite>, StateError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(self.failed(aim))
    }

    /// Names what was tried when SQLite refused it.
    fn failed(&self, aim: &'static str) -> impl Fn(sqlx::Error) -> StateError + Copy {
        move |source| StateError::told(&self.database, self.patience, aim, source)
    }

    /// The error that names a value without a meaning.
    fn refuse_value(
        &self,
        table: &'static str,
        id: i64,
        column: &'static str,
        problem: &dyn std::fmt::Display,
    ) -> StateError {
        self.damaged(Damage::Value { table, id, column, problem: problem.to_string() })
    }

    fn damaged(&self, damage: Damage) -> StateError {
        StateError::Damaged { database: self.database.to_path_buf(), damage }
    }
}

#[cfg(test)]
mod tests;
