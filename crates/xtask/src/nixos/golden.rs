//! The golden files: what NixOS would install for each example.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::configurations::quoted;
use super::{Bed, Report, at_once, derivation, store_path};
use crate::golden;

const FILE: &str = "nix/golden.nix";

/// How a file's text is told.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Text(String),
    Derivation { drvs: Vec<String>, name: String },
}

pub(super) fn run(bed: &Bed) -> Result<Report> {
    let examples = bed.names(FILE)?;
    let mut problems = Vec::new();
    let mut fresh = BTreeMap::new();
    for (name, files) in examples.iter().zip(at_once::all(&examples, |name| files(bed, name))) {
        match files {
            Ok(files) => {
                let folder = golden::folder().join(name);
                fresh.extend(files.into_iter().map(|(file, text)| (folder.join(file), text)));
            }
            Err(error) => problems.push(format!("{name}: {error:#}")),
        }
    }
    let summary = format!("{} of {}", fresh.len(), examples.join(", "));
    let is_whole = problems.is_empty();
    if bed.update {
        return Ok(Report { summary: format!("{summary}; {}", update(&fresh, is_whole)?), problems });
    }
    for (path, text) in &fresh {
        match fs::read_to_string(path) {
            Ok(found) if found == *text => {}
            Ok(found) => {
                problems.push(format!("{} is stale:\n{}", shown(path), first_difference(&found, text)));
            }
            Err(_) => problems.push(format!("{} is missing", shown(path))),
        }
    }
    let gone = there()?.into_iter().filter(|path| is_whole && !fresh.contains_key(path));
    problems.extend(gone.map(|path| format!("{} is no more", shown(&path))));
    if !problems.is_empty() {
        problems.push("if that is meant: `./dev test nixos --update`".to_owned());
    }
    Ok(Report { summary, problems })
}

fn files(bed: &Bed, example: &str) -> Result<BTreeMap<String, String>> {
    // The derivations must be there to be read.
    let told = bed.evaluate(FILE, &quoted(example), &["--read-write-mode"])?;
    let told: BTreeMap<String, Told> = serde_json::from_value(told)?;
    told.into_iter()
        .map(|(name, told)| {
            let text = match told {
                Told::Text(text) => text,
                Told::Derivation { drvs, name } => derivation::text(bed, &drvs, &name)?,
            };
            Ok((name, tidy(&store_path::shortened(&text))))
        })
        .collect()
}

/// No line ends in blanks, and the text ends with its last line.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// Writes what is new; only the whole tells what is no more.
fn update(fresh: &BTreeMap<PathBuf, String>, is_whole: bool) -> Result<String> {
    let (mut written, mut removed) = (0, 0);
    for path in there()?.iter().filter(|path| is_whole && !fresh.contains_key(*path)) {
        fs::remove_file(path)?;
        removed += 1;
    }
    for (path, text) in fresh {
        if fs::read_to_string(path).is_ok_and(|found| found == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().expect("a file in a folder"))?;
        fs::write(path, text)?;
        written += 1;
    }
    Ok(format!("{written} written, {removed} removed"))
}

/// Every golden file that there is.
fn there() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![golden::folder()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() { &mut folders } else { &mut found }.push(path);
        }
    }
    Ok(found)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(crate::step::checkout()).unwrap_or(path).display().to_string()
}

fn first_difference(found: &str, fresh: &str) -> String {
    let (mut old, mut new) = (found.lines(), fresh.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let line = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return format!("line {number}: {}\nnow:    {}", line(old), line(new));
            }
        }
    }
    "only in its last line".to_owned()
}
