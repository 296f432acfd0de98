//! Checks of Nix files that need no nixpkgs: every file parses, is formatted and
//! has no dead code, and the tests of the pure helpers hold.

mod dead_code;
mod evaluator;
mod sources;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) use evaluator::Evaluator;
use sources::Check;

use crate::step;

/// Evaluates to the list of failures of the helpers in `nix/lib`.
const TESTS: &str = "nix/lib/tests.nix";

/// All of them.
pub(crate) fn check() -> Result<()> {
    eprintln!("==> nix files");
    let evaluator = Evaluator::new()?;
    let parsed = sources::files(Check::Syntax)?;
    evaluator.parse(&parsed)?;
    is_formatted(&sources::files(Check::Format)?)?;
    dead_code::check(&sources::files(Check::DeadCode)?)?;
    helpers_hold(&evaluator)?;
    eprintln!("    {} files parse, are formatted and have no dead code; the helpers hold", parsed.len());
    Ok(())
}

fn is_formatted(files: &[String]) -> Result<()> {
    let mut found = Vec::new();
    for name in files {
        let text = read(name)?;
        if format(name, &text)? != text {
            found.push(name.as_str());
        }
    }
    if !found.is_empty() {
        bail!("not formatted: {}; run `./dev format`", found.join(" "));
    }
    Ok(())
}

/// Formats every file of Rust and Nix that is not.
pub(crate) fn format_all() -> Result<ExitCode> {
    step::run("format", Command::new(env!("CARGO")).args(["fmt", "--all"]))?;
    for name in sources::files(Check::Format)? {
        let text = read(&name)?;
        let formatted = format(&name, &text)?;
        if formatted != text {
            fs::write(step::checkout().join(&name), formatted)?;
            eprintln!("    formatted {name}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(name: &str) -> Result<String> {
    let path = step::checkout().join(name);
    fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
}

fn format(name: &str, text: &str) -> Result<String> {
    nixfmt_rs::format(text)
        .map_err(|error| anyhow::anyhow!("{}", nixfmt_rs::format_error(text, Some(name), &error)))
}

fn helpers_hold(evaluator: &Evaluator) -> Result<()> {
    let failures = evaluator.json(Path::new(TESTS), &[])?;
    match failures.as_array() {
        Some(failures) if failures.is_empty() => Ok(()),
        Some(failures) => {
            let told: Vec<String> = failures.iter().map(told).collect();
            bail!("{TESTS}: {} failed:\n{}", failures.len(), told.join("\n"));
        }
        None => bail!("{TESTS} must evaluate to the list of failures, not to {failures}"),
    }
}

fn told(failure: &Value) -> String {
    failure.as_str().map_or_else(|| failure.to_string(), str::to_owned)
}
