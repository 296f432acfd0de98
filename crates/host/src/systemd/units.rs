//! Reading what `systemctl list-units` prints.

use std::collections::{BTreeMap, BTreeSet};

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

/// The containers of Berth with a count above 0 in the output of `show
/// --property=Id --property=NRestarts`: a block a unit, a line a property.
pub(super) fn restarted(text: &str) -> BTreeSet<ContainerName> {
    let blocks = text.split("\n\n").filter_map(|block| {
        let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let container = ContainerName::from_unit(value("Id")?)?;
        (value("NRestarts")?.parse::<u32>().ok()? > 0).then_some(container)
    });
    blocks.collect()
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

    #[test]
    fn what_restarted_by_itself_is_told_and_other_containers_are_left_out() {
        let text = "NRestarts=0\nId=container@p1.service\n\nNRestarts=2\nId=container@p2.service\n\n\
                    Id=container@web.service\nNRestarts=3\n\nId=container@a7.service\nNRestarts=1\n";
        let containers: Vec<String> = restarted(text).iter().map(ToString::to_string).collect();
        assert_eq!(containers, ["a7", "p2"]);
        assert!(restarted("").is_empty());
    }

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
