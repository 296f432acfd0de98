//! Evaluating with whatever nix this machine has, in a store of our own: nothing
//! needs a daemon or `/nix`, nothing is built or fetched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::step;

/// Where nothing can come from outside, whatever this machine is set to.
const CONFIGURATION: &str = "\
experimental-features = nix-command flakes
build-users-group =
flake-registry =
sandbox = false
substituters =
warn-dirty = false
";

/// Nix with its own folder below `target`.
#[derive(Debug)]
pub(crate) struct Evaluator {
    folder: PathBuf,
}

impl Evaluator {
    /// Makes the folder ready.
    pub(crate) fn new() -> Result<Self> {
        let folder = step::target().join("nix");
        for part in ["store", "conf", "home"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let file = folder.join("conf/nix.conf");
        if fs::read_to_string(&file).is_ok_and(|found| found == CONFIGURATION) {
            return Ok(Self { folder });
        }
        fs::write(file, CONFIGURATION)?;
        Ok(Self { folder })
    }

    /// One of Nix' programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("NIX_REMOTE", self.folder.join("store"))
            .env("NIX_CONF_DIR", self.folder.join("conf"))
            .env("HOME", self.folder.join("home"))
            .env("XDG_CACHE_HOME", self.folder.join("home/.cache"))
            .env_remove("NIX_PATH")
            .env_remove("NIX_CONFIG")
            .stdin(Stdio::null());
        command
    }

    /// Fails where a file is no Nix.
    pub(crate) fn parse(&self, files: &[String]) -> Result<()> {
        let mut command = self.command("nix-instantiate");
        step::output(command.arg("--parse").args(files))?;
        Ok(())
    }

    /// What a file of the checkout evaluates to, all of it. The words are further
    /// arguments: `--arg NAME VALUE`, `--attr NAME`.
    pub(crate) fn json(&self, file: &Path, words: &[&str]) -> Result<Value> {
        let mut command = self.command("nix-instantiate");
        command.args(["--eval", "--strict", "--json"]).args(words).arg(file);
        answer(&mut command)
    }

    /// What an expression evaluates to, all of it.
    pub(crate) fn expression(&self, text: &str) -> Result<Value> {
        let mut command = self.command("nix-instantiate");
        command.args(["--eval", "--strict", "--json", "--expr", text]);
        answer(&mut command)
    }
}

fn answer(command: &mut Command) -> Result<Value> {
    let output = step::output(command)?;
    serde_json::from_slice(&output.stdout).context("nix-instantiate printed no JSON")
}
