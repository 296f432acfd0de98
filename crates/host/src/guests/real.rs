//! The systemd inside, through `-M`.

use std::time::Duration;

use async_trait::async_trait;
use berth_core::meta::UnitName;
use berth_core::{ContainerName, Health};
use serde::Deserialize;

use super::{Condition, GuestError, GuestFile, Guests, services};
use crate::exec::{Invocation, Watcher};
use crate::printable::{printable, printable_line};

/// How long a guest may take to answer. It may be hostile and never do so.
const ANSWER: Duration = Duration::from_secs(15);

/// More than any system's failed units; what a hostile one sends beyond that is
/// not kept.
const ANSWER_MAX: usize = 256 << 10;
const UNITS_MAX: usize = 20;
const UNIT_NAME_MAX: usize = 255;

/// The systems inside this host's containers.
pub struct SystemdGuests;

#[async_trait]
impl Guests for SystemdGuests {
    /// One process: a system is degraded when it has failed units, and these
    /// are wanted anyway.
    async fn condition(&self, name: ContainerName) -> Result<Condition, GuestError> {
        let output = failed_invocation(name).run().await.map_err(GuestError::Condition)?;
        let json = output.whole_stdout().map_err(GuestError::Condition)?;
        condition(json).map_err(|source| GuestError::Form { container: name, source })
    }

    async fn journal_tail(&self, name: ContainerName, lines: u32) -> Result<String, GuestError> {
        let output = journal_invocation(name, lines).run().await.map_err(GuestError::Journal)?;
        Ok(printable(&output.stdout.text()))
    }

    async fn restart_unit(
        &self,
        name: ContainerName,
        unit: &UnitName,
        deadline: Duration,
    ) -> Result<(), GuestError> {
        services::restart(name, unit, deadline).await
    }

    async fn start_units(&self, name: ContainerName, units: &[UnitName]) -> Result<(), GuestError> {
        services::start_in_order(name, units).await
    }

    async fn unit_tail(&self, name: ContainerName, unit: &str, lines: u32) -> Result<String, GuestError> {
        services::tail(name, unit, lines).await
    }

    async fn follow_unit(&self, name: ContainerName, unit: &UnitName, deadline: Duration, log: Watcher<'_>) {
        services::follow(name, unit, deadline, log).await;
    }

    async fn replace_file(&self, name: ContainerName, file: GuestFile) -> Result<(), GuestError> {
        services::replace_file(name, file).await
    }
}

#[derive(Deserialize)]
struct FailedUnit {
    unit: String,
}

fn condition(json: &[u8]) -> Result<Condition, serde_json::Error> {
    let units: Vec<FailedUnit> = serde_json::from_slice(json)?;
    let health = if units.is_empty() { Health::Good } else { Health::Degraded };
    let shown = units.iter().take(UNITS_MAX).map(|failed| {
        let name: String = failed.unit.chars().take(UNIT_NAME_MAX).collect();
        printable_line(&name)
    });
    Ok(Condition { health, failed_units: shown.collect() })
}

fn failed_invocation(name: ContainerName) -> Invocation {
    Invocation::new("systemctl")
        .args(["--machine", &name.to_string(), "list-units", "--state=failed", "--output=json"])
        .aim(format!("ask the system in {name} how it is"))
        .keep(ANSWER_MAX)
        .deadline(ANSWER)
        .ends_without_us()
}

fn journal_invocation(name: ContainerName, lines: u32) -> Invocation {
    Invocation::new("systemd-run")
        .args(["--quiet", "--machine", &name.to_string(), "--pipe", "--wait", "--collect"])
        // Else the last line of the journal would be about us.
        .args(["--property=LogLevelMax=notice", "--"])
        // Every systemd finds its own programs without a path.
        .args(["journalctl", "--lines", &lines.to_string(), "--output=cat", "--no-pager", "--quiet"])
        .aim(format!("read the journal in {name}"))
        .keep(ANSWER_MAX)
        .deadline(ANSWER)
        .ends_without_us()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_failed_units_is_good() {
        let condition = condition(b"[]").expect("an answer");
        assert_eq!(condition, Condition { health: Health::Good, failed_units: vec![] });
    }

    #[test]
    fn failed_units_are_named_safely() {
        let json = r#"[{"unit":"web.service","load":"loaded","active":"failed","sub":"failed","description":"x"},
            {"unit":"\u001b[2Jevil\nroot.service","load":"loaded","active":"failed","sub":"failed","description":""}]"#;
        let condition = condition(json.as_bytes()).expect("an answer");
        assert_eq!(condition.health, Health::Degraded);
        assert_eq!(condition.failed_units, ["web.service", "\\u{1b}[2Jevil\\u{a}root.service"]);
    }

    #[test]
    fn a_flood_of_units_is_cut() {
        let unit = format!(r#"{{"unit":"{}"}}"#, "x".repeat(1000));
        let json = format!("[{}]", vec![unit; 100].join(","));
        let condition = condition(json.as_bytes()).expect("an answer");
        assert_eq!(condition.failed_units.len(), UNITS_MAX);
        assert!(condition.failed_units.iter().all(|unit| unit.len() == UNIT_NAME_MAX));
    }

    #[test]
    fn no_answer_is_not_a_good_one() {
        assert!(condition(b"").is_err());
        assert!(condition(b"{}").is_err());
    }
}
