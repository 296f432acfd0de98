//! Looking the whole host over: what is wrong, and the way out of it.
//!
//! The checks are independent: one that cannot be made is a finding itself and
//! keeps no other. `fix` repairs what needs no decision of a person.

mod container_unit;
mod gpu;
mod jobs;
mod kernel;
mod network;
mod preview_setup;
mod previews;
mod pull_requests;
mod records;
mod tools;

use serde::Serialize;

use crate::host::Host;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, but less well or less safely than it could.
    Warning,
    /// Something does not work, or is not safe.
    Error,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check, one word or two.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub way_out: Option<String>,
    /// Whether `--fix` does it.
    pub fixable: bool,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, severity: Severity::Ok, message: message.into(), way_out: None, fixable: false }
    }

    /// Not as good as it could be.
    pub fn warning(check: &'static str, message: impl Into<String>, way_out: impl Into<String>) -> Self {
        let way_out = Some(way_out.into());
        Self { check, severity: Severity::Warning, message: message.into(), way_out, fixable: false }
    }

    /// Broken.
    pub fn error(check: &'static str, message: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { severity: Severity::Error, ..Self::warning(check, message, way_out) }
    }

    /// Broken in a way that `--fix` repairs.
    pub fn fixable(check: &'static str, message: impl Into<String>) -> Self {
        let way_out = "run `agent doctor --fix`";
        Self { fixable: true, ..Self::error(check, message, way_out) }
    }

    /// A check that could not be made.
    pub(crate) fn unknown(check: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        let message = format!("could not be checked: {}", crate::agents::chain(error));
        Self::error(check, message, "mend what it names and look again")
    }
}

/// Makes every check that needs neither configuration nor records: for a host
/// on which those are broken.
pub async fn examine_system() -> Vec<Finding> {
    let mut findings = tools::check().await;
    findings.extend(kernel::check());
    findings.push(container_unit::check().await);
    findings
}

/// Makes every check.
pub async fn examine(host: &Host) -> Vec<Finding> {
    let mut findings = examine_system().await;
    findings.extend(network::check(host).await);
    findings.extend(gpu::check(host));
    findings.extend(records::check(host).await);
    findings.extend(preview_setup::check(host).await);
    findings.extend(previews::check(host).await);
    findings.extend(pull_requests::check(host).await);
    findings.extend(jobs::check(host).await);
    findings
}
