//! What a berth is in, and what people are shown of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far an agent is in its life. It is changed only by [`Phase::after`],
/// and stored by compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The record holds its name and slot; the host has nothing yet.
    Reserved,
    /// The host is being changed towards a running container.
    Creating,
    /// It is meant to run, and started the last time.
    Running,
    /// Paused: the workspace stays, nothing runs.
    Stopped,
    /// It could not be created or started; the record tells why.
    Failed,
    /// It is being removed.
    Destroying,
    /// Nothing is left: the record itself goes.
    Gone,
}

/// What happened to a berth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// The work of creating it begins.
    CreateBegan,
    /// The container is up, after a create or a start.
    Started,
    /// The container is down because somebody asked for it.
    Stopped,
    /// A create or a start came to nothing.
    Failed,
    /// The work of removing it begins.
    DestroyBegan,
    /// All of it is removed.
    Removed,
}

/// Something that cannot happen to a berth in this phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a berth that is {phase} cannot become what follows `{happening:?}`")]
pub struct PhaseError {
    /// Its phase.
    pub phase: Phase,
    /// What was said to have happened.
    pub happening: Happening,
}

/// A word in the state database that is no phase.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no phase")]
pub struct PhaseWordError(String);

impl Phase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Reserved,
        Self::Creating,
        Self::Running,
        Self::Stopped,
        Self::Failed,
        Self::Destroying,
        Self::Gone,
    ];

    /// The phase that follows.
    pub fn after(self, happening: Happening) -> Result<Self, PhaseError> {
        use Happening as H;
        match (self, happening) {
            (Self::Reserved, H::CreateBegan) => Ok(Self::Creating),
            (Self::Creating | Self::Running | Self::Stopped | Self::Failed, H::Started) => Ok(Self::Running),
            (Self::Running | Self::Stopped | Self::Failed, H::Stopped) => Ok(Self::Stopped),
            (Self::Creating | Self::Running | Self::Stopped | Self::Failed, H::Failed) => Ok(Self::Failed),
            (
                Self::Reserved
                | Self::Creating
                | Self::Running
                | Self::Stopped
                | Self::Failed
                | Self::Destroying,
                H::DestroyBegan,
            ) => Ok(Self::Destroying),
            (Self::Destroying, H::Removed) => Ok(Self::Gone),
            (phase, happening) => Err(PhaseError { phase, happening }),
        }
    }

    /// Whether a process that died in this phase left work half done.
    pub fn is_half_way(self) -> bool {
        match self {
            Self::Reserved | Self::Creating | Self::Destroying => true,
            Self::Running | Self::Stopped | Self::Failed | Self::Gone => false,
        }
    }

    /// The word in the state database and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Gone => "gone",
        }
    }
}

impl FromStr for Phase {
    type Err = PhaseWordError;

    fn from_str(word: &str) -> Result<Self, PhaseWordError> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == word)
            .ok_or_else(|| PhaseWordError(word.to_owned()))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What somebody wants of a berth; reconcile moves the phase towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// It should run.
    Running,
    /// It should be paused.
    Stopped,
    /// It should not exist.
    Absent,
}

impl Wanted {
    /// The word in the state database and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Absent => "absent",
        }
    }
}

impl FromStr for Wanted {
    type Err = PhaseWordError;

    fn from_str(word: &str) -> Result<Self, PhaseWordError> {
        [Self::Running, Self::Stopped, Self::Absent]
            .into_iter()
            .find(|wanted| wanted.as_str() == word)
            .ok_or_else(|| PhaseWordError(word.to_owned()))
    }
}

/// What systemd on the host says about a container's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitState {
    /// Not loaded, or inactive.
    Inactive,
    /// On its way up, automatic restarts included.
    Activating,
    /// Up: the system inside said that it is ready.
    Active,
    /// On its way down.
    Deactivating,
    /// systemd gave up on it.
    Failed,
}

/// What the system inside said about itself when it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nobody has asked yet.
    Unknown,
    /// No unit inside has failed.
    Good,
    /// A unit inside has failed.
    Degraded,
}

/// What people are shown: the record and the host seen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// Being made, nothing on the host yet or not all of it.
    Creating,
    /// The container is on its way up.
    Starting,
    /// It runs.
    Running,
    /// It runs, and a unit inside has failed.
    Degraded,
    /// The container is on its way down.
    Stopping,
    /// It does not run, and its workspace is there.
    Stopped,
    /// It could not be created or started.
    Failed,
    /// The record is there and the container is not.
    Missing,
    /// It is being removed.
    Destroying,
}

impl Shown {
    /// Puts together what the record and the host say. `exists` tells whether
    /// nixos-container knows the container.
    pub fn of(phase: Phase, unit: UnitState, exists: bool, health: Health) -> Self {
        match (phase, unit) {
            (Phase::Reserved | Phase::Creating, UnitState::Inactive) => Self::Creating,
            (Phase::Destroying | Phase::Gone, _) => Self::Destroying,
            (_, UnitState::Activating) => Self::Starting,
            (_, UnitState::Deactivating) => Self::Stopping,
            _ if !exists => Self::Missing,
            (_, UnitState::Failed) | (Phase::Failed, UnitState::Inactive) => Self::Failed,
            (_, UnitState::Inactive) => Self::Stopped,
            (_, UnitState::Active) => match health {
                Health::Degraded => Self::Degraded,
                Health::Good | Health::Unknown => Self::Running,
            },
        }
    }

    /// The word in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Destroying => "destroying",
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HAPPENINGS: [Happening; 6] = [
        Happening::CreateBegan,
        Happening::Started,
        Happening::Stopped,
        Happening::Failed,
        Happening::DestroyBegan,
        Happening::Removed,
    ];

    #[test]
    fn the_whole_table_of_transitions_is_this() {
        let mut table = String::new();
        for phase in Phase::ALL {
            for happening in HAPPENINGS {
                if let Ok(next) = phase.after(happening) {
                    table += &format!("{phase:<10} {:<12} {next}\n", format!("{happening:?}"));
                }
            }
        }
        insta::assert_snapshot!(table, @"
        reserved   CreateBegan  creating
        reserved   DestroyBegan destroying
        creating   Started      running
        creating   Failed       failed
        creating   DestroyBegan destroying
        running    Started      running
        running    Stopped      stopped
        running    Failed       failed
        running    DestroyBegan destroying
        stopped    Started      running
        stopped    Stopped      stopped
        stopped    Failed       failed
        stopped    DestroyBegan destroying
        failed     Started      running
        failed     Stopped      stopped
        failed     Failed       failed
        failed     DestroyBegan destroying
        destroying DestroyBegan destroying
        destroying Removed      gone
        ");
    }

    #[test]
    fn words_round_trip() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
        assert!("up".parse::<Phase>().is_err());
    }

    #[test]
    fn what_is_shown_comes_from_record_and_host_together() {
        use Health::{Degraded, Good, Unknown};
        for (phase, unit, exists, health, shown) in [
            (Phase::Creating, UnitState::Inactive, false, Unknown, Shown::Creating),
            (Phase::Creating, UnitState::Activating, true, Unknown, Shown::Starting),
            (Phase::Running, UnitState::Activating, true, Good, Shown::Starting),
            (Phase::Running, UnitState::Active, true, Good, Shown::Running),
            (Phase::Running, UnitState::Active, true, Unknown, Shown::Running),
            (Phase::Running, UnitState::Active, true, Degraded, Shown::Degraded),
            (Phase::Running, UnitState::Inactive, true, Good, Shown::Stopped),
            (Phase::Running, UnitState::Failed, true, Good, Shown::Failed),
            (Phase::Running, UnitState::Inactive, false, Good, Shown::Missing),
            (Phase::Stopped, UnitState::Inactive, true, Good, Shown::Stopped),
            (Phase::Stopped, UnitState::Deactivating, true, Good, Shown::Stopping),
            (Phase::Failed, UnitState::Inactive, true, Unknown, Shown::Failed),
            (Phase::Destroying, UnitState::Active, true, Good, Shown::Destroying),
        ] {
            assert_eq!(Shown::of(phase, unit, exists, health), shown, "{phase} {unit:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_comes_back_from_gone_and_everything_can_be_destroyed(
            happenings in proptest::collection::vec(0..HAPPENINGS.len(), 0..40)
        ) {
            let mut phase = Phase::Reserved;
            for index in happenings {
                let Ok(next) = phase.after(HAPPENINGS[index]) else { continue };
                prop_assert_ne!(phase, Phase::Gone);
                phase = next;
                if phase != Phase::Gone {
                    prop_assert_eq!(phase.after(Happening::DestroyBegan), Ok(Phase::Destroying));
                }
            }
        }
    }
}
