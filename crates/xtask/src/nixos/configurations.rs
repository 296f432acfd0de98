//! Whole systems: each must evaluate to something that could be built, and no
//! assertion may fail.

use anyhow::Result;
use serde::Deserialize;

use super::{Bed, Report, at_once};

/// What the files below tell of a system.
#[derive(Deserialize)]
struct System {
    failed: Vec<String>,
    warnings: Vec<String>,
    #[allow(dead_code, reason = "that it is there says that all of the system evaluates")]
    drv: String,
}

/// So many are named.
const FEW: usize = 10;

/// Every `nixosConfigurations` of the flake.
pub(super) fn of_flake(bed: &Bed) -> Result<Report> {
    systems(bed, "nix/eval/configurations.nix")
}

/// Each combination of the main switches.
pub(super) fn combinations(bed: &Bed) -> Result<Report> {
    systems(bed, "nix/eval/combinations.nix")
}

/// What each VM test would run.
pub(super) fn vm_tests(bed: &Bed) -> Result<Report> {
    systems(bed, "nix/eval/vm-tests.nix")
}

fn systems(bed: &Bed, file: &str) -> Result<Report> {
    let names = bed.names(file)?;
    let told = at_once::all(&names, |name| -> Result<System> {
        Ok(serde_json::from_value(bed.evaluate(file, &quoted(name), &[])?)?)
    });
    let (mut problems, mut warnings) = (Vec::new(), 0);
    for (name, system) in names.iter().zip(told) {
        match system {
            Ok(system) => {
                warnings += system.warnings.len();
                problems.extend(system.failed.iter().map(|message| format!("{name}: {message}")));
                for warning in &system.warnings {
                    println!("  warning: {name}: {}", warning.trim_end());
                }
            }
            Err(error) => problems.push(format!("{name}: {error:#}")),
        }
    }
    let mut summary = format!("{} evaluated, {warnings} warnings", names.len());
    if names.len() <= FEW {
        summary += &format!(": {}", names.join(" "));
    }
    Ok(Report { summary, problems })
}

/// A name as `--attr` takes it: dots in it are no path.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
