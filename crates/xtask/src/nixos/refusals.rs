//! Wrong settings: each must fail, with the message that is meant for it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde_json::Value;

use super::configurations::quoted;
use super::{Bed, Report, at_once};
use crate::step;

/// Each is a function of the trees to cases of `{ expected, attempt }`, where an
/// attempt throws or is the list of the assertions that fail.
const TABLES: [&str; 2] = ["nix/eval/refusals.nix", "nix/eval/guest-refusals.nix"];

/// So many there must be at least.
const AT_LEAST: usize = 25;

pub(super) fn run(bed: &Bed) -> Result<Report> {
    let mut cases = Vec::new();
    for table in TABLES.into_iter().filter(|table| step::checkout().join(table).exists()) {
        let expected = bed.expression(table, "all: builtins.mapAttrs (_: case: case.expected) all.cases")?;
        let expected: BTreeMap<String, String> = serde_json::from_value(expected)?;
        cases.extend(expected.into_iter().map(|(name, expected)| Case { table, name, expected }));
    }
    let told = at_once::all(&cases, |case| case.check(bed));
    let mut problems: Vec<String> = Vec::new();
    for (case, problem) in cases.iter().zip(told) {
        problems.extend(problem.err().map(|error| format!("{}: {error:#}", case.name)));
    }
    let refused = cases.len() - problems.len();
    if cases.len() < AT_LEAST {
        problems.push(format!("{} cases are too few: write at least {AT_LEAST}", cases.len()));
    }
    Ok(Report { summary: format!("{refused} of {} wrong settings refused as meant", cases.len()), problems })
}

struct Case {
    table: &'static str,
    name: String,
    /// A regular expression.
    expected: String,
}

impl Case {
    fn check(&self, bed: &Bed) -> Result<()> {
        let Self { table, name, expected } = self;
        let meant = Regex::new(expected).with_context(|| format!("`{expected}` is no regular expression"))?;
        let told = match bed.evaluate(table, &format!("cases.{}.attempt", quoted(name)), &[]) {
            Ok(told) => messages(&told).join("\n"),
            Err(error) => format!("{error:#}"),
        };
        // Nix breaks lines where it likes.
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(!told.is_empty(), "it is taken");
        ensure!(meant.is_match(&told), "expected `{expected}`, and it says:\n{}", shortened(&told));
        Ok(())
    }
}

/// As much of it as tells which message it is.
fn shortened(told: &str) -> String {
    told.chars().take(600).collect()
}

/// The failed assertions, in whatever form the table has them.
fn messages(told: &Value) -> Vec<&str> {
    match told {
        // Of a system that could be built, its derivation.
        Value::String(text) if text.starts_with('/') => Vec::new(),
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(messages).collect(),
        Value::Object(fields) => {
            ["messages", "failed"].iter().filter_map(|name| fields.get(*name)).flat_map(messages).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}
