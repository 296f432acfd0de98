//! Reading what `systemctl list-units` prints.

use std::collections::BTreeMap;

use berth_core::{ContainerName, UnitState};
use serde::Deserialize;

use super::SystemdError;

/// One unit; further fields do not matter.
#[derive(Deserialize)]
struct Unit {
    #[serde(rename = "unit")]
    name: String,
    active: String,
    sub: String,
}

/// The states of Berth's containers in the output of `list-units
/// --output=json`. Containers of the operator are left out.
pub(super) fn parse(json: &[u8]) -> Result<BTreeMap<ContainerName, UnitState>, SystemdError> {
    let units: Vec<Unit> = serde_json::from_slice(json).map_err(SystemdError::Form)?;
    let ours = units.iter().filter_map(|unit| Some((ContainerName::from_unit(&unit.name)?, unit)));
    ours.map(|(name, unit)| Ok((name, state(name, unit)?))).collect()
}

fn state(container: ContainerName, unit: &Unit) -> Result<UnitState, SystemdError> {
    // From systemd 254 on a unit between two tries is `inactive` or `failed`
    // for a moment, with a sub-state that tells what follows.
    if unit.sub.contains("auto-restart") {
        return Ok(UnitState::Activating);
    }
    match unit.active.as_str() {
        "inactive" => Ok(UnitState::Inactive),
        "activating" => Ok(UnitState::Activating),
        "active" | "reloading" | "refreshing" => Ok(UnitState::Active),
        "deactivating" => Ok(UnitState::Deactivating),
        "failed" => Ok(UnitState::Failed),
        other => Err(SystemdError::State { container, state: other.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, active: &str, sub: &str) -> String {
        format!(
            r#"{{"unit":"{name}","load":"loaded","active":"{active}","sub":"{sub}","description":"Container"}}"#
        )
    }

    #[test]
    fn every_state_is_told() {
        for (active, sub, state) in [
            ("inactive", "dead", UnitState::Inactive),
            ("activating", "start-pre", UnitState::Activating),
            ("activating", "start", UnitState::Activating),
            ("activating", "auto-restart", UnitState::Activating),
            ("failed", "failed-before-auto-restart", UnitState::Activating),
            ("inactive", "dead-before-auto-restart", UnitState::Activating),
            ("active", "running", UnitState::Active),
            ("reloading", "reload", UnitState::Active),
            ("deactivating", "stop-sigterm", UnitState::Deactivating),
            ("failed", "failed", UnitState::Failed),
        ] {
            let json = format!("[{}]", unit("container@a1.service", active, sub));
            let states = parse(json.as_bytes()).expect(sub);
            assert_eq!(states.into_values().collect::<Vec<_>>(), [state], "{sub}");
        }
    }

    #[test]
    fn containers_of_the_operator_are_left_out() {
        let names =
            ["container@web.service", "container@a07.service", "container@p3.service", "container@.service"];
        let units: Vec<String> = names.iter().map(|name| unit(name, "active", "running")).collect();
        let states = parse(format!("[{}]", units.join(",")).as_bytes()).expect("a list");
        assert_eq!(states.keys().map(ToString::to_string).collect::<Vec<_>>(), ["p3"]);
        assert!(parse(b"[]").expect("an empty list").is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_no_empty_list() {
        for text in ["", "{}", "0 loaded units listed."] {
            assert!(matches!(parse(text.as_bytes()), Err(SystemdError::Form(_))), "{text:?}");
        }
        let json = format!("[{}]", unit("container@a1.service", "dreaming", "dead"));
        let error = parse(json.as_bytes()).expect_err("an unknown state");
        assert_eq!(error.to_string(), "systemd calls a1 `dreaming`, a state that Berth does not know");
    }
}
