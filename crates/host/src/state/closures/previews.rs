//! Closures of previews: many side by side, each under the key of what it was
//! made from, with the meta that came out of the same evaluation.
//!
//! The rules of [the module above](super) hold: the row first, then the root,
//! and the builder's lock in the row. A key leads to one finished closure; one
//! that was built anew under its key, because somebody had deleted it from the
//! store, takes the key from the old one, which goes when no berth has it any
//! more.

use berth_core::{ClosureKey, Kind, Meta, StorePath};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::{ClosureId, TABLE};
use crate::lock::Lock;
use crate::state::row::Fields;
use crate::state::{State, StateError};

/// A preview's closure that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewClosure {
    /// Its row id.
    pub id: ClosureId,
    /// Its path in the store.
    pub system: StorePath,
    /// What it declares.
    pub meta: Meta,
    /// Its bytes, with all that it refers to.
    pub size: u64,
    /// When it was built.
    pub built_at: Timestamp,
    /// When a preview last asked for it.
    pub last_used_at: Timestamp,
}

/// The build of a preview's closure, about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPreviewBuild {
    /// What it is made from.
    pub key: ClosureKey,
    /// The same for people: the closures flake.
    pub source: String,
    /// Now.
    pub begun_at: Timestamp,
}

/// What the build of a preview's closure made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewSystem {
    /// Its path in the store.
    pub system: StorePath,
    /// What it declares.
    pub meta: Meta,
    /// Its bytes, with all that it refers to.
    pub size: u64,
}

impl State {
    /// Records that the build of a preview's closure begins; as
    /// [`begin_build`](Self::begin_build).
    pub async fn begin_preview_build(
        &self,
        new: NewPreviewBuild,
        held: &Lock,
    ) -> Result<ClosureId, StateError> {
        const AIM: &str = "record a build";
        let mut transaction = self.write(AIM).await?;
        let id = sqlx::query_scalar(
            "INSERT INTO closures (kind, source, begun_at, build_lock, key) VALUES (?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(Kind::Preview.as_str())
        .bind(&new.source)
        .bind(new.begun_at.as_millisecond())
        .bind(held.name().to_string())
        .bind(new.key.to_string())
        .fetch_one(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(ClosureId(id))
    }

    /// Records what such a build made, used now for the first time. Its root
    /// must be in place.
    pub async fn finish_preview_build(
        &self,
        id: ClosureId,
        made: &PreviewSystem,
        built_at: Timestamp,
    ) -> Result<PreviewClosure, StateError> {
        const AIM: &str = "record a closure";
        let failed = self.failed(AIM);
        let mut transaction = self.write(AIM).await?;
        // No key that is looked up has this form.
        sqlx::query(
            "UPDATE closures SET key = key || '/' || id WHERE kind = ? AND system IS NOT NULL \
             AND key = (SELECT key FROM closures WHERE id = ?)",
        )
        .bind(Kind::Preview.as_str())
        .bind(id.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let row = sqlx::query(
            "UPDATE closures SET system = ?, meta = ?, size = ?, built_at = ?, last_used_at = ?, \
             build_lock = NULL WHERE id = ? AND kind = ? AND build_lock IS NOT NULL RETURNING *",
        )
        .bind(made.system.as_str())
        .bind(made.meta.to_json())
        .bind(i64::try_from(made.size).unwrap_or(i64::MAX))
        .bind(built_at.as_millisecond())
        .bind(built_at.as_millisecond())
        .bind(id.0)
        .bind(Kind::Preview.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?
        .ok_or(StateError::ClosureGone { id })?;
        let closure = self.preview_closure(&row)?;
        transaction.commit().await.map_err(failed)?;
        Ok(closure)
    }

    /// The closure with this key, which from now on counts as used at `now`.
    pub async fn use_preview_closure(
        &self,
        key: &ClosureKey,
        now: Timestamp,
    ) -> Result<Option<PreviewClosure>, StateError> {
        const AIM: &str = "look a closure up";
        let mut transaction = self.write(AIM).await?;
        let row = sqlx::query(
            "UPDATE closures SET last_used_at = ? WHERE kind = ? AND key = ? AND system IS NOT NULL RETURNING *",
        )
        .bind(now.as_millisecond())
        .bind(Kind::Preview.as_str())
        .bind(key.to_string())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        let closure = row.map(|row| self.preview_closure(&row)).transpose()?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(closure)
    }

    /// The closures of previews that may leave, the first to leave first: of no
    /// berth, not used since `before`, and more than `keep` of all that no berth
    /// has. One whose key was taken by a newer one does not count.
    pub async fn leaving_preview_closures(
        &self,
        keep: usize,
        before: Timestamp,
    ) -> Result<Vec<PreviewClosure>, StateError> {
        let rows = sqlx::query(
            "WITH free AS (SELECT * FROM closures WHERE kind = ? AND system IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM berths WHERE closure_id = closures.id)), \
             unused AS (SELECT * FROM free WHERE last_used_at <= ?) \
             SELECT * FROM unused WHERE key LIKE '%/%' UNION ALL \
             SELECT * FROM (SELECT * FROM unused WHERE key NOT LIKE '%/%' ORDER BY last_used_at, id \
             LIMIT max(0, (SELECT count(*) FROM free WHERE key NOT LIKE '%/%') - ?))",
        )
        .bind(Kind::Preview.as_str())
        .bind(before.as_millisecond())
        .bind(i64::try_from(keep).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("list the unused closures"))?;
        rows.iter().map(|row| self.preview_closure(row)).collect()
    }

    /// Removes the record of a preview's closure, unless a berth has it or
    /// somebody used it meanwhile; afterwards remove its root. Returns whether
    /// it did.
    pub async fn forget_preview_closure(&self, closure: &PreviewClosure) -> Result<bool, StateError> {
        const AIM: &str = "remove the record of a closure";
        let mut transaction = self.write(AIM).await?;
        let done = sqlx::query(
            "DELETE FROM closures WHERE id = ? AND system IS NOT NULL AND last_used_at = ? \
             AND NOT EXISTS (SELECT 1 FROM berths WHERE closure_id = closures.id)",
        )
        .bind(closure.id.0)
        .bind(closure.last_used_at.as_millisecond())
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(done.rows_affected() == 1)
    }

    fn preview_closure(&self, row: &SqliteRow) -> Result<PreviewClosure, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        let meta = Meta::parse(fields.value("meta")?).map_err(|error| fields.refuse("meta", error))?;
        let size: i64 = fields.value("size")?;
        Ok(PreviewClosure {
            id: ClosureId(fields.id()),
            system: fields.parsed("system")?,
            meta,
            size: u64::try_from(size).map_err(|error| fields.refuse("size", error))?,
            built_at: fields.time("built_at")?,
            last_used_at: fields.time("last_used_at")?,
        })
    }
}

#[cfg(test)]
mod tests;
