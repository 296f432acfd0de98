//! Reading a TOML table key by key, collecting every problem on the way.

use std::fmt::Display;
use std::str::FromStr;

use jiff::SignedDuration;
use toml::{Table, Value};

use super::{ConfigError, Problem};

/// A table that is being read. What nobody took when it ends is unknown.
pub(super) struct Section {
    prefix: String,
    table: Table,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Section {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let table = text.parse::<Table>().map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let message = error.message().to_owned();
            ConfigError(vec![Problem { key: format!("line {line}"), message }])
        })?;
        Ok(Self::new(String::new(), table))
    }

    fn new(prefix: String, table: Table) -> Self {
        Self { prefix, table, known: Vec::new(), problems: Vec::new() }
    }

    /// Ends the top section: every problem found, or success.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        self.refuse_unknown_keys();
        if self.problems.is_empty() { Ok(()) } else { Err(ConfigError(self.problems)) }
    }

    pub(super) fn problem(&mut self, key: &str, message: String) {
        let key = format!("{}{key}", self.prefix);
        self.problems.push(Problem { key, message });
    }

    pub(super) fn has_problem(&self, key: &str) -> bool {
        let key = format!("{}{key}", self.prefix);
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// A value that is read from text; whole numbers may stand without quotes.
    pub(super) fn parsed<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value = self.take(key)?;
        self.parse_value(key, value)
    }

    /// The same, and a problem when it is not there.
    pub(super) fn required<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.take(key) {
            Some(value) => self.parse_value(key, value),
            None => {
                self.problem(key, "is missing".to_owned());
                None
            }
        }
    }

    pub(super) fn parsed_list<T>(&mut self, key: &'static str) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parsed_list_if_any(key).unwrap_or_default()
    }

    /// The same; nothing when it is not there.
    pub(super) fn parsed_list_if_any<T>(&mut self, key: &'static str) -> Option<Vec<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        Some(match self.take(key)? {
            Value::Array(values) => {
                values.into_iter().filter_map(|value| self.parse_value(key, value)).collect()
            }
            other => {
                self.problem(key, format!("must be a list of texts, not {}", kind_of(&other)));
                Vec::new()
            }
        })
    }

    pub(super) fn checked(
        &mut self,
        key: &'static str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let text: String = self.parsed(key)?;
        match check(&text) {
            Ok(()) => Some(text),
            Err(message) => {
                self.problem(key, message);
                None
            }
        }
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text: String = self.parsed(key)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.problem(key, format!("`{}` must be one of {}", text.escape_debug(), words.join(", ")));
        }
        found
    }

    pub(super) fn duration(&mut self, key: &'static str) -> Option<SignedDuration> {
        let text: String = self.parsed(key)?;
        let duration = text.parse().ok().filter(SignedDuration::is_positive);
        if duration.is_none() {
            self.problem(
                key,
                format!("`{}` is no duration: write such as `30s` or `2m`", text.escape_debug()),
            );
        }
        duration
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(value) => Some(value),
            other => {
                self.problem(key, format!("must be `true` or `false`, not {}", kind_of(&other)));
                None
            }
        }
    }

    /// Reads a sub-table; nothing when it is missing.
    pub(super) fn section_if_any<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section) -> T,
    ) -> Option<T> {
        if self.table.contains_key(key) {
            return Some(self.section(key, read));
        }
        self.known.push(key);
        None
    }

    /// Reads a sub-table; one that is missing reads as empty.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section) -> T) -> T {
        let table = match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.problem(key, format!("must be a section, not {}", kind_of(&other)));
                Table::new()
            }
        };
        self.read_below(format!("{}{key}.", self.prefix), table, read)
    }

    /// Reads a list of sub-tables, leaving out those with problems.
    pub(super) fn sections<T>(&mut self, key: &'static str, read: fn(&mut Section) -> Option<T>) -> Vec<T> {
        let values = match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(other) => {
                self.problem(
                    key,
                    format!("must be written as `[[{}{key}]]`, not as {}", self.prefix, kind_of(&other)),
                );
                Vec::new()
            }
        };
        let mut read_values = Vec::new();
        for (number, value) in (1..).zip(values) {
            let prefix = format!("{}{key}[{number}].", self.prefix);
            match value {
                Value::Table(table) => read_values.extend(self.read_below(prefix, table, read)),
                other => self.problem(key, format!("must hold sections, not {}", kind_of(&other))),
            }
        }
        read_values
    }

    fn read_below<T>(&mut self, prefix: String, table: Table, read: impl FnOnce(&mut Section) -> T) -> T {
        let mut below = Section::new(prefix, table);
        let value = read(&mut below);
        below.refuse_unknown_keys();
        self.problems.append(&mut below.problems);
        value
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn parse_value<T>(&mut self, key: &str, value: Value) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            other => {
                self.problem(key, format!("must be a text, not {}", kind_of(&other)));
                return None;
            }
        };
        text.parse().map_err(|error: T::Err| self.problem(key, error.to_string())).ok()
    }

    fn refuse_unknown_keys(&mut self) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
            self.problem(&key, format!("is unknown; known here are {}", known.join(", ")));
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a fraction (put it in quotes)",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
