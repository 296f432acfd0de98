//! Reading a JSON object key by key, collecting every problem on the way.
//!
//! The words are those of Nix, in which people write what is read here.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::config::Problem;
use crate::name::edits;

/// The longest message, in characters: what was written is shown in it.
const MESSAGE_MAX: usize = 300;
/// The longest key that is shown, in characters.
const KEY_MAX: usize = 80;

/// An object that is being read. What nobody took when it ends is unknown.
pub(super) struct Object {
    prefix: String,
    values: Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Object {
    pub(super) fn top(values: Map<String, Value>) -> Self {
        Self::new(String::new(), values)
    }

    fn new(prefix: String, values: Map<String, Value>) -> Self {
        Self { prefix, values, known: Vec::new(), problems: Vec::new() }
    }

    /// Ends the reading: every problem found.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.refuse_unknown_keys();
        self.problems
    }

    pub(super) fn problem(&mut self, key: &str, message: impl Display) {
        let key = format!("{}{key}", self.prefix);
        self.problems.push(Problem { key, message: shortened(&message.to_string(), MESSAGE_MAX) });
    }

    /// Whether there is a problem with a key or below it.
    pub(super) fn has_problem(&self, key: &str) -> bool {
        let key = format!("{}{key}", self.prefix);
        self.problems.iter().any(|problem| problem.key.starts_with(&key))
    }

    /// A value that is read from a string.
    pub(super) fn text<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value = self.take(key)?;
        self.text_of(key, &value)
    }

    /// The same, and a problem when it is not there.
    pub(super) fn required_text<T>(&mut self, key: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(key);
        self.refuse_missing(key, text.is_some());
        text
    }

    /// A list of values that are read from strings; what is there twice is
    /// read once, since lists of Nix modules are merged without a look.
    pub(super) fn texts<T>(&mut self, key: &'static str, most: usize) -> Vec<T>
    where
        T: FromStr + PartialEq,
        T::Err: Display,
    {
        let mut texts = Vec::new();
        for (index, value) in self.list(key, most).iter().enumerate() {
            texts
                .extend(self.text_of(&format!("{key}[{index}]"), value).filter(|text| !texts.contains(text)));
        }
        texts
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text: String = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.problem(key, format!("must be null or {}", words.join(" or ")));
        }
        found
    }

    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.problem(key, format!("must be true or false, not {}", kind_of(&other)));
                false
            }
        }
    }

    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u16>) -> Option<u16> {
        let value = self.take(key)?;
        let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let given = if value.is_number() { value.to_string() } else { kind_of(&value).to_owned() };
            let message =
                format!("must be a whole number from {} to {}, not {given}", range.start(), range.end());
            self.problem(key, message);
        }
        number
    }

    /// The same, and a problem when it is not there.
    pub(super) fn required_number(&mut self, key: &'static str, range: RangeInclusive<u16>) -> Option<u16> {
        let number = self.number(key, range);
        self.refuse_missing(key, number.is_some());
        number
    }

    /// Reads an object below this one; one that is missing reads as nothing.
    pub(super) fn object<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Object) -> T) -> Option<T> {
        let value = self.take(key)?;
        self.below(key, value, read)
    }

    /// Reads a list of objects, leaving out those with problems.
    pub(super) fn objects<T>(
        &mut self,
        key: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Object) -> Option<T>,
    ) -> Vec<T> {
        let mut objects = Vec::new();
        for (index, value) in self.list(key, most).into_iter().enumerate() {
            objects.extend(self.below(&format!("{key}[{index}]"), value, &mut read).flatten());
        }
        objects
    }

    fn below<T>(&mut self, key: &str, value: Value, read: impl FnOnce(&mut Object) -> T) -> Option<T> {
        match value {
            Value::Object(values) => {
                let mut object = Self::new(format!("{}{key}.", self.prefix), values);
                let read = read(&mut object);
                self.problems.append(&mut object.finish());
                Some(read)
            }
            other => {
                self.problem(key, format!("must be an attribute set, not {}", kind_of(&other)));
                None
            }
        }
    }

    fn list(&mut self, key: &'static str, most: usize) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(values)) if values.len() <= most => values,
            Some(Value::Array(values)) => {
                self.problem(key, format!("has {} entries: {most} is the most", values.len()));
                Vec::new()
            }
            Some(other) => {
                self.problem(key, format!("must be a list, not {}", kind_of(&other)));
                Vec::new()
            }
        }
    }

    fn text_of<T>(&mut self, key: &str, value: &Value) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(text) = value.as_str() else {
            self.problem(key, format!("must be a string, not {}", kind_of(value)));
            return None;
        };
        text.parse().map_err(|error: T::Err| self.problem(key, error)).ok()
    }

    /// What is null is not there.
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.values.remove(key).filter(|value| !value.is_null())
    }

    fn refuse_missing(&mut self, key: &str, is_read: bool) {
        if !is_read && !self.has_problem(key) {
            self.problem(key, "is missing");
        }
    }

    fn refuse_unknown_keys(&mut self) {
        let unknown: Vec<String> = self.values.keys().cloned().collect();
        for key in unknown {
            let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
            let message = match near(&key, &self.known) {
                Some(meant) => format!("is unknown: `{meant}` may be meant"),
                None => format!("is unknown; known here are {}", known.join(", ")),
            };
            self.problem(&shortened(&key.escape_debug().to_string(), KEY_MAX), message);
        }
    }
}

/// The known key that an unknown one may be a slip of the fingers for, or the
/// same words written in another way.
fn near<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |key: &str| key.replace(['_', '-'], "").to_ascii_lowercase();
    let is_near =
        |known: &&&str| key.len() <= KEY_MAX && edits(&plain(key), &plain(known)) <= known.len() / 3;
    known.iter().filter(is_near).min_by_key(|known| edits(&plain(key), &plain(known))).copied()
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an attribute set",
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
