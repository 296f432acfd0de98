//! `fuzz`: what faces the internet, against inputs that nobody thought of.
//!
//! libFuzzer guided by coverage, on stable Rust: what cargo-fuzz needs nightly
//! for is the address sanitizer, which finds nothing in code without `unsafe`.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::step;

/// Counters and comparisons for libFuzzer, from LLVM's own pass.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Longer inputs than payloads and heads of requests need.
const LENGTH_MAX: usize = 64 << 10;
/// Seconds and MiB after which one input is a failure.
const SLOW: u32 = 10;
const MEMORY_MAX: u32 = 2048;

const MINUTE: u64 = 60;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For how long.
    #[arg(long, default_value_t = 10 * MINUTE)]
    seconds: u64,
}

/// As long as asked for.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    fuzz(args.seconds)?;
    Ok(ExitCode::SUCCESS)
}

/// As CI does.
pub(crate) fn run_for_a_minute() -> Result<()> {
    fuzz(MINUTE)
}

/// Builds the fuzzer and runs it on what it found before and the recorded
/// payloads. An input that fails is kept below `target/fuzz/failures`.
fn fuzz(seconds: u64) -> Result<()> {
    let folder = step::checkout().join("target/fuzz");
    let (corpus, seeds, failures) = (folder.join("corpus"), folder.join("seeds"), folder.join("failures"));
    for folder in [&corpus, &seeds, &failures] {
        fs::create_dir_all(folder)?;
    }
    write_seeds(&seeds)?;
    let triple = triple()?;
    let mut build = step::cargo(&["build", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    build.args(["--target", &triple, "--target-dir"]).arg(&folder).env("RUSTFLAGS", FLAGS);
    step::run("build the fuzzer", &mut build)?;
    let mut run = Command::new(folder.join(&triple).join("release/deliveries"));
    run.args([&corpus, &seeds]).arg(format!("-artifact_prefix={}/", failures.display()));
    run.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={LENGTH_MAX}"));
    run.arg(format!("-timeout={SLOW}")).arg(format!("-rss_limit_mb={MEMORY_MAX}"));
    run.args(["-print_final_stats=1", "-verbosity=0"]);
    step::run("fuzz deliveries", &mut run)
}

/// The recorded payloads, each with the byte that chooses who reads it, and
/// some lines of text.
fn write_seeds(folder: &Path) -> Result<()> {
    let fixtures = step::checkout().join("crates/core/src/delivery/fixtures");
    for entry in fs::read_dir(fixtures)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let choice = match name.split('.').next() {
            Some("pull_request") => b"p",
            Some("issue_comment") => b"c",
            _ => b"o",
        };
        fs::write(folder.join(&name), [&choice[..], &fs::read(entry.path())?].concat())?;
    }
    for (name, text) in [
        ("signature", "tsha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        ("command", "tread it\n```\n/preview\n```\n/preview 0123456789ab"),
        ("name", "t00001795253400000042-72d3162e-cc78-11e3-81ab-4c9367dc0958.delivery"),
        ("form", "fpayload=%7B%22action%22%3A%22opened%22%7D&other=1"),
        (
            "spool",
            "s{\"version\":1,\"length\":2,\"envelope\":{\"delivery\":\"72d3162e-cc78-11e3-81ab-4c9367dc0958\",\
             \"event\":\"ping\",\"content_type\":\"json\",\"signature\":\
             \"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\",\
             \"received_at\":\"2026-11-21T09:30:00Z\"}}\n{}",
        ),
    ] {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// What this machine is to Rust. Naming it keeps the flags away from build
/// scripts.
fn triple() -> Result<String> {
    let output = step::output(Command::new("rustc").args(["--version", "--verbose"]))?;
    let told = String::from_utf8(output.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not tell its host")
}
