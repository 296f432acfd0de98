//! The records of what lives on the host.

use std::fmt;

use berth_core::phase::Happening;
use berth_core::{
    ContainerName, Gpu, Health, Kind, Limits, Name, Phase, PreviewId, Slot, StorePath, Subnet, Wanted,
};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use super::row::{Fields, health_word};
use super::{ClosureId, State, StateError};

const TABLE: &str = "berths";

/// Whole records; a berth whose closure is missing is read too, and refused.
macro_rules! select_berths {
    ($rest:literal) => {
        concat!(
            "SELECT berths.*, closures.system AS system \
             FROM berths LEFT JOIN closures ON closures.id = berths.closure_id ",
            $rest
        )
    };
}

/// The number of a record. It is never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct BerthId(i64);

impl BerthId {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }

    pub(super) fn from_row(id: i64) -> Self {
        Self(id)
    }
}

impl fmt::Display for BerthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All that is recorded of a berth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BerthRecord {
    /// Its row id.
    pub id: BerthId,
    /// What lives in it.
    pub kind: Kind,
    /// What people call it, unique among its kind.
    pub name: Name,
    /// What the host calls it.
    pub container: ContainerName,
    /// How far it is.
    pub phase: Phase,
    /// What somebody wants it to be.
    pub wanted: Wanted,
    /// Why it is in this phase, where that needs a word.
    pub reason: Option<String>,
    /// The closure it was made from.
    pub closure: ClosureId,
    /// That closure's store path.
    pub system: StorePath,
    /// What it may use.
    pub limits: Limits,
    /// The public part of its ssh host key, once there is one.
    pub host_key: Option<String>,
    /// What the system inside said when it was last asked.
    pub health: Health,
    /// The units inside that had failed then.
    pub failed_units: Vec<String>,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it is to go, if ever.
    pub expires_at: Option<Timestamp>,
    /// The preview that it serves, or is to serve.
    pub preview: Option<PreviewId>,
    /// Whether it may reach the host's PostgreSQL.
    pub reaches_database: bool,
    /// What it was given of the host's GPU, if anything.
    pub gpu: Option<Gpu>,
}

impl BerthRecord {
    /// Whether a process that died left work half done: in the middle of a
    /// phase, or between the wish to remove it and the first step.
    pub fn is_half_way(&self) -> bool {
        self.phase.is_half_way() || self.wanted == Wanted::Absent
    }
}

/// What a new berth is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBerth {
    /// What will live in it.
    pub kind: Kind,
    /// What people call it.
    pub name: Name,
    /// The closure it is made from.
    pub closure: ClosureId,
    /// What it may use.
    pub limits: Limits,
    /// Who asks for it.
    pub created_by: String,
    /// Now.
    pub created_at: Timestamp,
    /// When it is to go, if ever.
    pub expires_at: Option<Timestamp>,
    /// The preview that it is to serve; nothing for an agent.
    pub preview: Option<PreviewId>,
    /// Whether it may reach the host's PostgreSQL.
    pub reaches_database: bool,
    /// What it is given of the host's GPU, if anything.
    pub gpu: Option<Gpu>,
}

impl State {
    /// Takes the name and the lowest free slot, both or none. The record
    /// begins in [`Phase::Reserved`].
    pub async fn reserve(&self, new: NewBerth, subnet: Subnet) -> Result<BerthRecord, StateError> {
        const AIM: &str = "reserve a berth";
        let mut transaction = self.write(AIM).await?;
        self.refuse_taken_name(&mut transaction, &new).await?;
        self.refuse_missing_closure(&mut transaction, new.closure).await?;
        let slot = self.free_slot(&mut transaction, subnet).await?;
        let id = insert(&mut transaction, &new, slot).await.map_err(self.failed(AIM))?;
        let row = sqlx::query(select_berths!("WHERE berths.id = ?"))
            .bind(id)
            .fetch_one(&mut *transaction)
            .await
            .map_err(self.failed(AIM))?;
        let record = self.berth(&row)?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(record)
    }

    /// Moves a berth on to what follows `happening`, if it still is in the
    /// phase that the caller saw. `reason` takes the place of the last one.
    /// [`Phase::Gone`] removes the record.
    pub async fn advance(
        &self,
        id: BerthId,
        from: Phase,
        happening: Happening,
        reason: Option<&str>,
    ) -> Result<Phase, StateError> {
        const AIM: &str = "record the phase of a berth";
        let next = from.after(happening)?;
        let mut transaction = self.write(AIM).await?;
        self.refuse_other_phase(&mut transaction, id, from).await?;
        let statement = if next == Phase::Gone {
            sqlx::query("DELETE FROM berths WHERE id = ?").bind(id.0)
        } else {
            sqlx::query("UPDATE berths SET phase = ?, reason = ? WHERE id = ?")
                .bind(next.as_str())
                .bind(reason)
                .bind(id.0)
        };
        statement.execute(&mut *transaction).await.map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(next)
    }

    /// Removes the record of a berth of which nothing is left: its name and
    /// its slot are free from now on.
    pub async fn remove(&self, id: BerthId) -> Result<(), StateError> {
        self.advance(id, Phase::Destroying, Happening::Removed, None).await.map(|_| ())
    }

    /// Records what somebody wants of a berth.
    pub async fn set_wanted(&self, id: BerthId, wanted: Wanted) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE berths SET wanted = ? WHERE id = ?");
        self.update(id, "record what is wanted", statement.bind(wanted.as_str()).bind(id.0)).await
    }

    /// Records the public part of a berth's ssh host key.
    pub async fn set_host_key(&self, id: BerthId, public: &str) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE berths SET host_key = ? WHERE id = ?");
        self.update(id, "record a host key", statement.bind(public).bind(id.0)).await
    }

    /// Records what the system inside says about itself.
    pub async fn set_health(
        &self,
        id: BerthId,
        health: Health,
        failed_units: &[String],
    ) -> Result<(), StateError> {
        let units = serde_json::Value::from(failed_units).to_string();
        let statement = sqlx::query("UPDATE berths SET health = ?, failed_units = ? WHERE id = ?")
            .bind(health_word(health))
            .bind(units)
            .bind(id.0);
        self.update(id, "record the health of a berth", statement).await
    }

    /// All berths, or those of one kind, ordered by name.
    pub async fn berths(&self, kind: Option<Kind>) -> Result<Vec<BerthRecord>, StateError> {
        let rows = sqlx::query(select_berths!(
            "WHERE ?1 IS NULL OR berths.kind = ?1 ORDER BY berths.name, berths.kind"
        ))
        .bind(kind.map(Kind::as_str))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("list the berths"))?;
        rows.iter().map(|row| self.berth(row)).collect()
    }

    /// The berth of this name.
    pub async fn berth_named(&self, kind: Kind, name: &Name) -> Result<Option<BerthRecord>, StateError> {
        let row = sqlx::query(select_berths!("WHERE berths.kind = ? AND berths.name = ?"))
            .bind(kind.as_str())
            .bind(name.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look a name up"))?;
        row.map(|row| self.berth(&row)).transpose()
    }

    /// The berth of a container, if there is one.
    pub async fn berth_in(&self, container: ContainerName) -> Result<Option<BerthRecord>, StateError> {
        let row = sqlx::query(select_berths!("WHERE berths.kind = ? AND berths.slot = ?"))
            .bind(container.kind().as_str())
            .bind(container.slot().get())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look a container up"))?;
        row.map(|row| self.berth(&row)).transpose()
    }

    /// The berths of one preview, oldest first.
    pub async fn berths_of(&self, preview: PreviewId) -> Result<Vec<BerthRecord>, StateError> {
        let rows = sqlx::query(select_berths!("WHERE berths.preview_id = ? ORDER BY berths.id"))
            .bind(preview.get())
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list the berths of a preview"))?;
        rows.iter().map(|row| self.berth(row)).collect()
    }

    /// The berths whose time is over at `now`, ordered by name.
    pub async fn expired(&self, kind: Kind, now: Timestamp) -> Result<Vec<BerthRecord>, StateError> {
        let rows = sqlx::query(select_berths!(
            "WHERE berths.kind = ? AND berths.expires_at <= ? ORDER BY berths.name"
        ))
        .bind(kind.as_str())
        .bind(now.as_millisecond())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("list what has expired"))?;
        rows.iter().map(|row| self.berth(row)).collect()
    }

    async fn update(
        &self,
        id: BerthId,
        aim: &'static str,
        statement: Statement<'_>,
    ) -> Result<(), StateError> {
        let mut transaction = self.write(aim).await?;
        let done = statement.execute(&mut *transaction).await.map_err(self.failed(aim))?;
        if done.rows_affected() == 0 {
            return Err(StateError::BerthGone { id });
        }
        transaction.commit().await.map_err(self.failed(aim))
    }

    async fn refuse_taken_name(&self, transaction: &mut Immediate, new: &NewBerth) -> Result<(), StateError> {
        if new.preview.is_some() {
            // One of them has several at an update; its slug is taken with it.
            return Ok(());
        }
        let row = sqlx::query(select_berths!("WHERE berths.kind = ? AND berths.name = ?"))
            .bind(new.kind.as_str())
            .bind(new.name.as_str())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(self.failed("look a name up"))?;
        let Some(row) = row else { return Ok(()) };
        let BerthRecord { kind, name, phase, .. } = self.berth(&row)?;
        Err(StateError::NameTaken { kind, name, phase })
    }

    async fn refuse_missing_closure(
        &self,
        transaction: &mut Immediate,
        id: ClosureId,
    ) -> Result<(), StateError> {
        let is_ready: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM closures WHERE id = ? AND system IS NOT NULL)")
                .bind(id.get())
                .fetch_one(&mut **transaction)
                .await
                .map_err(self.failed("look a closure up"))?;
        if is_ready { Ok(()) } else { Err(StateError::ClosureGone { id }) }
    }

    async fn free_slot(&self, transaction: &mut Immediate, subnet: Subnet) -> Result<Slot, StateError> {
        let rows = sqlx::query("SELECT id, slot FROM berths ORDER BY slot")
            .fetch_all(&mut **transaction)
            .await
            .map_err(self.failed("list the slots"))?;
        let taken: Vec<Slot> = rows
            .iter()
            .map(|row| Fields::of(self, TABLE, row)?.number("slot"))
            .collect::<Result<_, StateError>>()?;
        Slot::lowest_free(subnet, &taken)
            .ok_or_else(|| StateError::SubnetExhausted { subnet, taken: subnet.slots().count() })
    }

    async fn refuse_other_phase(
        &self,
        transaction: &mut Immediate,
        id: BerthId,
        expected: Phase,
    ) -> Result<(), StateError> {
        let row = sqlx::query("SELECT id, name, phase FROM berths WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(self.failed("look a berth up"))?;
        let row = row.ok_or(StateError::BerthGone { id })?;
        let fields = Fields::of(self, TABLE, &row)?;
        let found: Phase = fields.parsed("phase")?;
        if found == expected {
            return Ok(());
        }
        Err(StateError::Changed { name: fields.parsed("name")?, expected, found })
    }

    fn berth(&self, row: &SqliteRow) -> Result<BerthRecord, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        let kind = fields.kind()?;
        Ok(BerthRecord {
            id: BerthId(fields.id()),
            kind,
            name: fields.parsed("name")?,
            container: ContainerName::new(kind, fields.number("slot")?),
            phase: fields.parsed("phase")?,
            wanted: fields.parsed("wanted")?,
            reason: fields.value("reason")?,
            closure: ClosureId::from_row(fields.value("closure_id")?),
            system: fields
                .parsed_if_any("system")?
                .ok_or_else(|| fields.refuse("closure_id", "that closure is not there"))?,
            limits: Limits {
                memory: fields.parsed("memory")?,
                cpus: fields.parsed("cpus")?,
                tasks: fields.parsed("tasks")?,
            },
            host_key: fields.value("host_key")?,
            health: fields.health()?,
            failed_units: fields.json("failed_units")?,
            created_by: fields.value("created_by")?,
            created_at: fields.time("created_at")?,
            expires_at: fields.time_if_any("expires_at")?,
            preview: fields.value::<Option<i64>>("preview_id")?.map(PreviewId::new),
            reaches_database: fields.value("reaches_database")?,
            gpu: fields.json_if_any("gpu")?,
        })
    }
}

type Immediate = Transaction<'static, Sqlite>;
type Statement<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

async fn insert(connection: &mut SqliteConnection, new: &NewBerth, slot: Slot) -> sqlx::Result<i64> {
    let row = sqlx::query(
        "INSERT INTO berths (kind, slot, name, phase, wanted, closure_id, memory, cpus, tasks, \
                             health, failed_units, created_by, created_at, expires_at, \
                             preview_id, reaches_database, gpu) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(new.kind.as_str())
    .bind(slot.get())
    .bind(new.name.as_str())
    .bind(Phase::Reserved.as_str())
    .bind(Wanted::Running.as_str())
    .bind(new.closure.get())
    .bind(new.limits.memory.to_string())
    .bind(new.limits.cpus.to_string())
    .bind(new.limits.tasks.to_string())
    .bind(health_word(Health::Unknown))
    .bind(&new.created_by)
    .bind(new.created_at.as_millisecond())
    .bind(new.expires_at.map(Timestamp::as_millisecond))
    .bind(new.preview.map(PreviewId::get))
    .bind(new.reaches_database)
    .bind(new.gpu.as_ref().map(|gpu| serde_json::to_string(gpu).expect("a GPU is plain data")))
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

#[cfg(test)]
mod tests;
