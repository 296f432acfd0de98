//! The golden files below `tests/golden`: what NixOS would install for each
//! example, kept so that it can be checked and tested without NixOS.

mod units;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::programs::{self, Profile};
use crate::step;

/// Where they are: a folder for each example.
pub(crate) fn folder() -> PathBuf {
    step::checkout().join("tests/golden")
}

/// Asks whoever reads such a file on a host whether it is right.
pub(crate) fn check() -> Result<()> {
    eprintln!("==> golden files");
    let examples = examples()?;
    ensure!(!examples.is_empty(), "there are none: run `./dev test nixos --update`");
    let programs = programs::build(Profile::Dev)?;
    for example in &examples {
        check_example(example, &programs).with_context(|| format!("{}", example.display()))?;
    }
    eprintln!("    {} examples hold", examples.len());
    Ok(())
}

fn examples() -> Result<Vec<PathBuf>> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(folder())? {
        examples.push(entry?.path());
    }
    examples.sort();
    Ok(examples)
}

fn check_example(example: &Path, programs: &[(&str, PathBuf)]) -> Result<()> {
    let settings = example.join("berth.toml");
    for (_, program) in programs.iter().filter(|(name, _)| ["agent", "preview"].contains(name)) {
        step::output(Command::new(program).arg("check-config").arg(&settings))?;
    }
    units::check(&example.join("units"))?;
    let rules = example.join("build-egress.nft");
    if rules.exists() {
        // Whoever is not root is it in a user namespace.
        let namespace = ["--net", "--map-root-user"];
        step::output(Command::new("unshare").args(namespace).args(["nft", "--check", "--file"]).arg(&rules))?;
    }
    let caddyfile = example.join("Caddyfile");
    if caddyfile.exists() {
        let validate = ["validate", "--adapter", "caddyfile", "--config"];
        // It looks for its own authority in there.
        let home = step::target().join("golden/caddy");
        step::output(Command::new("caddy").args(validate).arg(&caddyfile).env("HOME", home))?;
    }
    Ok(())
}
