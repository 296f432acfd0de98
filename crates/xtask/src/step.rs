//! Running other programs as steps of a task, each with its time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// How many tests run at once. They wait for hosts and deadlines more than they
/// compute, so it is more than the processors of a small machine.
const AT_ONCE: &str = "4";
const THREADS: &str = "RUST_TEST_THREADS";

/// The root of the checkout.
pub(crate) fn checkout() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("the crate lies two folders below").to_owned()
}

/// Where everything goes that is made.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// Runs a program in the checkout to its end; anything but success is an
/// error. What it prints is ours.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    eprintln!("==> {title}");
    let begin = Instant::now();
    let status = command
        .current_dir(checkout())
        .status()
        .with_context(|| format!("`{}` did not start", command.get_program().display()))?;
    if !status.success() {
        bail!("{title}: {status}");
    }
    eprintln!("    {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a program in the checkout for what it answers; anything but success is
/// an error with what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let program = command.get_program().display().to_string();
    let told = command.current_dir(checkout()).output();
    let told = told.with_context(|| format!("`{program}` did not start"))?;
    if !told.status.success() {
        let printed = [told.stdout, told.stderr].concat();
        bail!("`{program}`: {}", String::from_utf8_lossy(&printed).trim());
    }
    Ok(told)
}

/// A call of cargo with the lock file as it is.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).arg("--locked");
    command
}

/// A call of `cargo test`.
pub(crate) fn tests(arguments: &[&str]) -> Command {
    let mut command = cargo(&["test"]);
    command.args(arguments);
    if std::env::var_os(THREADS).is_none() {
        command.env(THREADS, AT_ONCE);
    }
    command
}
