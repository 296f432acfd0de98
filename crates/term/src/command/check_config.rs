//! `check-config`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::{Code, Context, Failure, config_file, stdout};

/// The examples.
pub fn examples(program: &str) -> String {
    format!("Examples:\n  {program} check-config\n  {program} check-config ./berth.toml")
}

/// Check the configuration and tell all its problems at once
///
/// Needs no root, and no host: the NixOS module runs it when it builds the
/// system.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file; /etc/berth/berth.toml when not given. Refused through sudo
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,
}

/// Checks the configuration.
pub fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    if args.path.is_some() {
        context.caller.need_own_rights("FILE")?;
    }
    let chosen = args.path.as_ref().or(context.config_path());
    config_file::load(&context.layout, chosen.map(PathBuf::as_path))?;
    let path = chosen.cloned().unwrap_or_else(|| context.layout.config_file());
    let verdict = if path.exists() { "is good" } else { "does not exist: the defaults are used" };
    stdout::print(&format!("{} {verdict}\n", path.display()))?;
    Ok(Code::Ok.into())
}
