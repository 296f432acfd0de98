//! Reading rows: every value is parsed, and one without a meaning is an error
//! that names it.

use std::fmt::Display;
use std::str::FromStr;

use berth_core::{Health, Kind};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use super::{Damage, State, StateError};

/// One row of a table while it is read.
pub(super) struct Fields<'r> {
    state: &'r State,
    table: &'static str,
    id: i64,
    row: &'r SqliteRow,
}

impl<'r> Fields<'r> {
    /// The row's fields; its id is the first of them.
    pub(super) fn of(state: &'r State, table: &'static str, row: &'r SqliteRow) -> Result<Self, StateError> {
        let mut fields = Self { state, table, id: 0, row };
        fields.id = fields.value("id")?;
        Ok(fields)
    }

    /// The row's id.
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// A value as SQLite holds it.
    pub(super) fn value<T>(&self, column: &'static str) -> Result<T, StateError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|error| self.refuse(column, error))
    }

    /// A text with a type of its own.
    pub(super) fn parsed<T>(&self, column: &'static str) -> Result<T, StateError>
    where
        T: FromStr<Err: Display>,
    {
        let text: &str = self.value(column)?;
        text.parse().map_err(|error: T::Err| self.refuse(column, error))
    }

    /// Such a text, or nothing.
    pub(super) fn parsed_if_any<T>(&self, column: &'static str) -> Result<Option<T>, StateError>
    where
        T: FromStr<Err: Display>,
    {
        match self.value::<Option<&str>>(column)? {
            Some(_) => self.parsed(column).map(Some),
            None => Ok(None),
        }
    }

    /// A number with a type of its own.
    pub(super) fn number<T>(&self, column: &'static str) -> Result<T, StateError>
    where
        T: TryFrom<u16, Error: Display>,
    {
        let number: i64 = self.value(column)?;
        let number =
            u16::try_from(number).map_err(|_| self.refuse(column, format!("{number} is out of range")))?;
        number.try_into().map_err(|error: T::Error| self.refuse(column, error))
    }

    /// A moment.
    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StateError> {
        let milliseconds: i64 = self.value(column)?;
        Timestamp::from_millisecond(milliseconds).map_err(|error| self.refuse(column, error))
    }

    /// A moment, or nothing.
    pub(super) fn time_if_any(&self, column: &'static str) -> Result<Option<Timestamp>, StateError> {
        match self.value::<Option<i64>>(column)? {
            Some(_) => self.time(column).map(Some),
            None => Ok(None),
        }
    }

    /// What the row is about.
    pub(super) fn kind(&self) -> Result<Kind, StateError> {
        let word: &str = self.value("kind")?;
        [Kind::Agent, Kind::Preview]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| self.refuse("kind", no_word(word, "kind")))
    }

    /// What the system inside said last.
    pub(super) fn health(&self) -> Result<Health, StateError> {
        let word: &str = self.value("health")?;
        [Health::Unknown, Health::Good, Health::Degraded]
            .into_iter()
            .find(|health| health_word(*health) == word)
            .ok_or_else(|| self.refuse("health", no_word(word, "health")))
    }

    /// A value that is kept as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StateError> {
        let json: &str = self.value(column)?;
        serde_json::from_str(json).map_err(|error| self.refuse(column, error))
    }

    /// The same, or nothing.
    pub(super) fn json_if_any<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StateError> {
        match self.value::<Option<&str>>(column)? {
            Some(_) => self.json(column).map(Some),
            None => Ok(None),
        }
    }

    /// The error that names this value.
    pub(super) fn refuse(&self, column: &'static str, problem: impl Display) -> StateError {
        let problem = problem.to_string();
        self.state.damaged(Damage::Value { table: self.table, id: self.id, column, problem })
    }
}

/// The word in the database.
pub(super) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Unknown => "unknown",
        Health::Good => "good",
        Health::Degraded => "degraded",
    }
}

fn no_word(word: &str, of: &str) -> String {
    format!("`{}` is no {of}", word.escape_debug())
}
