//! The records of pre-built systems.
//!
//! A closure's garbage-collector root is named from its row id, so the row
//! comes first: [`State::begin_build`], then the build with its out-link at
//! [`Layout::gc_root`](berth_core::Layout::gc_root), then
//! [`State::finish_build`]. The builder holds a [`Lock`] all the while, and
//! its row names that lock: a build whose lock is free belongs to nobody, and
//! whoever takes the lock may [abandon](State::abandon_build) it.
//!
//! Roots are made after their row and removed after it too, so that a root
//! without a row is a leftover, and a row never points to a path that the
//! garbage collector may have taken.

use std::fmt;

use berth_core::{Kind, StorePath};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use super::row::Fields;
use super::{State, StateError};
use crate::lock::{Lock, LockName};

mod previews;

pub use self::previews::{NewPreviewBuild, PreviewClosure, PreviewSystem};

const TABLE: &str = "closures";

/// The number of a closure, and of its garbage-collector root. It is never
/// given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ClosureId(i64);

impl ClosureId {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }

    pub(super) fn from_row(id: i64) -> Self {
        Self(id)
    }
}

impl fmt::Display for ClosureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A closure that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosureRecord {
    /// Its row id.
    pub id: ClosureId,
    /// What it is for.
    pub kind: Kind,
    /// What it was built from: flake and attribute.
    pub source: String,
    /// Its path in the store.
    pub system: StorePath,
    /// When it was last built.
    pub built_at: Timestamp,
    /// Whether new berths get it.
    pub is_current: bool,
}

/// A build that has begun: its root may be there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// Its row id.
    pub id: ClosureId,
    /// What it is for.
    pub kind: Kind,
    /// What is built: flake and attribute.
    pub source: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// What the builder holds while it lives.
    pub lock: LockName,
}

/// A build about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBuild {
    /// What it is for.
    pub kind: Kind,
    /// What is built: flake and attribute.
    pub source: String,
    /// Now.
    pub begun_at: Timestamp,
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedBuild {
    /// The closure, now the current one of its kind.
    pub closure: ClosureRecord,
    /// Where the same path was recorded already, that record is used on and
    /// this one, the build's own, is gone: pin the path at the root of
    /// `closure` once more, then remove the root of this number.
    pub discarded: Option<ClosureId>,
}

impl State {
    /// Records that a build begins. Its number names the root; `held` tells
    /// others that the builder lives, so keep it until the build has finished
    /// or is abandoned.
    pub async fn begin_build(&self, new: NewBuild, held: &Lock) -> Result<ClosureId, StateError> {
        const AIM: &str = "record a build";
        let mut transaction = self.write(AIM).await?;
        let id = sqlx::query_scalar(
            "INSERT INTO closures (kind, source, begun_at, build_lock) VALUES (?, ?, ?, ?) RETURNING id",
        )
        .bind(new.kind.as_str())
        .bind(&new.source)
        .bind(new.begun_at.as_millisecond())
        .bind(held.name().to_string())
        .fetch_one(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(ClosureId(id))
    }

    /// Records what a build made and makes it the current closure of its
    /// kind. Its root must be in place.
    pub async fn finish_build(
        &self,
        id: ClosureId,
        system: &StorePath,
        built_at: Timestamp,
    ) -> Result<FinishedBuild, StateError> {
        const AIM: &str = "record a closure";
        let failed = self.failed(AIM);
        let mut transaction = self.write(AIM).await?;
        let row =
            sqlx::query("SELECT id, kind, source FROM closures WHERE id = ? AND build_lock IS NOT NULL")
                .bind(id.0)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed)?
                .ok_or(StateError::ClosureGone { id })?;
        let build = Fields::of(self, TABLE, &row)?;
        let kind = build.kind()?;
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM closures WHERE kind = ? AND system = ?")
            .bind(kind.as_str())
            .bind(system.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        if known.is_some() {
            sqlx::query("DELETE FROM closures WHERE id = ?")
                .bind(id.0)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        sqlx::query("UPDATE closures SET is_current = 0 WHERE kind = ? AND is_current = 1")
            .bind(kind.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let row = sqlx::query(
            "UPDATE closures SET system = ?, source = ?, built_at = ?, build_lock = NULL, is_current = 1 \
             WHERE id = ? RETURNING *",
        )
        .bind(system.as_str())
        .bind(build.value::<&str>("source")?)
        .bind(built_at.as_millisecond())
        .bind(known.unwrap_or(id.0))
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
        let closure = self.closure(&row)?;
        transaction.commit().await.map_err(failed)?;
        Ok(FinishedBuild { closure, discarded: known.map(|_| id) })
    }

    /// Removes the record of a build that came to nothing; afterwards remove
    /// its root. Returns whether there was one: `held` must be the lock that
    /// the record names, which proves that no builder lives.
    pub async fn abandon_build(&self, id: ClosureId, held: &Lock) -> Result<bool, StateError> {
        const AIM: &str = "remove the record of a build";
        let mut transaction = self.write(AIM).await?;
        let done = sqlx::query("DELETE FROM closures WHERE id = ? AND build_lock = ?")
            .bind(id.0)
            .bind(held.name().to_string())
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes the record of a closure, unless it is the current one or a
    /// berth uses it; afterwards remove its root. Returns whether it did.
    pub async fn forget_closure(&self, id: ClosureId) -> Result<bool, StateError> {
        const AIM: &str = "remove the record of a closure";
        let mut transaction = self.write(AIM).await?;
        let done = sqlx::query(
            "DELETE FROM closures WHERE id = ? AND system IS NOT NULL AND is_current = 0 \
             AND NOT EXISTS (SELECT 1 FROM berths WHERE closure_id = closures.id)",
        )
        .bind(id.0)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(done.rows_affected() == 1)
    }

    /// All closures that can be used, the oldest first.
    pub async fn closures(&self) -> Result<Vec<ClosureRecord>, StateError> {
        let rows = sqlx::query("SELECT * FROM closures WHERE build_lock IS NULL ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list the closures"))?;
        rows.iter().map(|row| self.closure(row)).collect()
    }

    /// The closure that new berths of this kind get.
    pub async fn current_closure(&self, kind: Kind) -> Result<Option<ClosureRecord>, StateError> {
        let row = sqlx::query("SELECT * FROM closures WHERE kind = ? AND is_current = 1")
            .bind(kind.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look the current closure up"))?;
        row.map(|row| self.closure(&row)).transpose()
    }

    /// The closures of agents that are neither current nor used by a berth, the
    /// oldest first: [`State::forget_closure`] removes them. Those of previews
    /// stay for a while: [`State::leaving_preview_closures`].
    pub async fn unused_closures(&self) -> Result<Vec<ClosureRecord>, StateError> {
        let rows = sqlx::query(
            "SELECT * FROM closures WHERE kind = ? AND build_lock IS NULL AND is_current = 0 \
             AND NOT EXISTS (SELECT 1 FROM berths WHERE closure_id = closures.id) ORDER BY id",
        )
        .bind(Kind::Agent.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("list the unused closures"))?;
        rows.iter().map(|row| self.closure(row)).collect()
    }

    /// All builds that have begun and not finished, the oldest first. Those
    /// whose lock can be taken are to be abandoned.
    pub async fn builds(&self) -> Result<Vec<BuildRecord>, StateError> {
        let rows = sqlx::query("SELECT * FROM closures WHERE build_lock IS NOT NULL ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list the builds"))?;
        rows.iter().map(|row| self.build(row)).collect()
    }

    fn closure(&self, row: &SqliteRow) -> Result<ClosureRecord, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        Ok(ClosureRecord {
            id: ClosureId(fields.id()),
            kind: fields.kind()?,
            source: fields.value("source")?,
            system: fields.parsed("system")?,
            built_at: fields.time("built_at")?,
            is_current: fields.value("is_current")?,
        })
    }

    fn build(&self, row: &SqliteRow) -> Result<BuildRecord, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        Ok(BuildRecord {
            id: ClosureId(fields.id()),
            kind: fields.kind()?,
            source: fields.value("source")?,
            begun_at: fields.time("begun_at")?,
            lock: fields.parsed("build_lock")?,
        })
    }
}

#[cfg(test)]
mod tests;
