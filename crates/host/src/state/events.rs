//! The audit log: who did what to which berth when, with which outcome.

use std::fmt;
use std::str::FromStr;

use berth_core::{ContainerName, Kind, Name};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use thiserror::Error;

use super::row::Fields;
use super::{State, StateError};

/// How far an action came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It began. Without a later event of the same action it was cut off.
    Began,
    /// It did all that it was to do.
    Succeeded,
    /// It came to nothing; the detail tells why.
    Failed,
}

/// A word in the state database that is no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no outcome")]
pub struct OutcomeWordError(String);

impl Outcome {
    /// The word in the state database and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = OutcomeWordError;

    fn from_str(word: &str) -> Result<Self, OutcomeWordError> {
        [Self::Began, Self::Succeeded, Self::Failed]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
            .ok_or_else(|| OutcomeWordError(word.escape_debug().to_string()))
    }
}

/// Something that is happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Now.
    pub at: Timestamp,
    /// The person behind it: the user who called sudo, or a program's name.
    pub actor: String,
    /// What it is done to.
    pub kind: Kind,
    /// The name of the berth, if it is about one.
    pub name: Option<Name>,
    /// Its container, if it has one.
    pub container: Option<ContainerName>,
    /// What is done, such as `create`.
    pub action: String,
    /// How far it came.
    pub outcome: Outcome,
    /// More words. No secrets: it is kept and printed.
    pub detail: Option<String>,
}

/// Something that happened. It outlives its berth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its row id: a later event has a higher one.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The person behind it.
    pub actor: String,
    /// What it was done to.
    pub kind: Kind,
    /// The name of the berth, if it was about one.
    pub name: Option<Name>,
    /// Its container, if it had one.
    pub container: Option<ContainerName>,
    /// What was done.
    pub action: String,
    /// How far it came.
    pub outcome: Outcome,
    /// More words.
    pub detail: Option<String>,
}

/// Which events to list. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only what was done to this kind.
    pub kind: Option<Kind>,
    /// Only what was done to berths of this name, those that are gone included.
    pub name: Option<Name>,
    /// At most so many, the newest ones.
    pub limit: Option<u32>,
}

impl State {
    /// Adds an event to the log.
    pub async fn add_event(&self, new: NewEvent) -> Result<(), StateError> {
        const AIM: &str = "record an event";
        let mut transaction = self.write(AIM).await?;
        sqlx::query(
            "INSERT INTO events (at, actor, kind, name, container, action, outcome, detail) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.at.as_millisecond())
        .bind(new.actor)
        .bind(new.kind.as_str())
        .bind(new.name.map(String::from))
        .bind(new.container.map(String::from))
        .bind(new.action)
        .bind(new.outcome.as_str())
        .bind(new.detail)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))
    }

    /// The newest events that pass the filter, the newest last.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, StateError> {
        let rows = sqlx::query(
            "SELECT * FROM events WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR name = ?2) \
             ORDER BY id DESC LIMIT ?3",
        )
        .bind(filter.kind.map(Kind::as_str))
        .bind(filter.name.as_ref().map(Name::as_str))
        .bind(filter.limit.map_or(-1, i64::from))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("list the events"))?;
        rows.iter().rev().map(|row| self.event(row)).collect()
    }

    fn event(&self, row: &SqliteRow) -> Result<Event, StateError> {
        let fields = Fields::of(self, "events", row)?;
        Ok(Event {
            id: fields.id(),
            at: fields.time("at")?,
            actor: fields.value("actor")?,
            kind: fields.kind()?,
            name: fields.parsed_if_any("name")?,
            container: fields.parsed_if_any("container")?,
            action: fields.value("action")?,
            outcome: fields.parsed("outcome")?,
            detail: fields.value("detail")?,
        })
    }
}
