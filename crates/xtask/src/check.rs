//! `check`: what tells most in little time.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{docs, golden, nix, step};

/// Format, shell scripts, Nix files, lints, unit tests, golden files, generated
/// reference.
pub(crate) fn run() -> Result<ExitCode> {
    step::run("format", Command::new(env!("CARGO")).args(["fmt", "--all", "--check"]))?;
    step::run("shell scripts", &mut shellcheck()?)?;
    nix::check()?;
    installer()?;
    let lints = ["clippy", "--quiet", "--workspace", "--all-targets"];
    step::run("lints", step::cargo(&lints).args(["--", "--deny", "warnings"]))?;
    let units = ["--quiet", "--workspace", "--exclude", "berth-e2e", "--exclude", "berth-testhost"];
    step::run("unit tests", &mut step::tests(&units))?;
    let of_test_host = ["--quiet", "--package", "berth-testhost", "--lib"];
    step::run("unit tests of the test host", &mut step::tests(&of_test_host))?;
    golden::check()?;
    docs::check()?;
    Ok(ExitCode::SUCCESS)
}

/// What collects the values of a new server, against recorded answers; the
/// layouts too where there is a nixpkgs to evaluate them with.
pub(crate) fn installer() -> Result<()> {
    step::run("initial-install", Command::new("bash").arg("initial-install/test"))
}

/// Every script that git tracks and whose first line names a shell.
fn shellcheck() -> Result<Command> {
    let search = ["grep", "--untracked", "-lIE", r"^#!.*\b(ba)?sh\b", "--", ":!*.rs", ":!*.md", ":!*.nix"];
    let listed = step::output(Command::new("git").args(search))?;
    let scripts = String::from_utf8(listed.stdout)?;
    let mut command = Command::new("shellcheck");
    // What a script takes from files beside it is looked at too.
    command.args(["--external-sources", "--source-path=SCRIPTDIR", "--"]).args(scripts.lines());
    Ok(command)
}
