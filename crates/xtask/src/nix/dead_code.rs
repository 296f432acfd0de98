//! deadnix: a program of its own, as its licence is not ours.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::step;

const VERSION: &str = "1.3.1";

/// Fails where something is bound and never used.
pub(super) fn check(files: &[String]) -> Result<()> {
    let program = installed()?;
    let mut search = Command::new(&program);
    step::output(search.args(["--fail", "--"]).args(files).env("NO_COLOR", "1"))?;
    Ok(())
}

/// The program, installed first if it is not there in this version.
fn installed() -> Result<PathBuf> {
    let folder = step::target().join("tools");
    let program = folder.join("bin/deadnix");
    let told = Command::new(&program).arg("--version").output();
    let is_there = told.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).trim().ends_with(VERSION));
    if !is_there {
        let install = ["install", "--quiet", "deadnix", "--version", VERSION];
        step::run("install deadnix", step::cargo(&install).arg("--root").arg(&folder))?;
    }
    Ok(program)
}
