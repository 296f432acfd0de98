//! How far a preview is in its life.
//!
//! This is the life of the preview; each of its containers has a berth with a
//! [`Phase`](crate::Phase) of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far a preview is. It is changed only by [`PreviewPhase::after`], and
/// stored by compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PreviewPhase {
    /// The record holds its slug; the commit is fetched and its closure built.
    #[serde(rename = "building")]
    Building,
    /// Its container is made and started.
    #[serde(rename = "creating")]
    Creating,
    /// Its services are started, or started again, and it is waited for.
    #[serde(rename = "setting up")]
    SettingUp,
    /// It runs, and nobody has waited for its answer.
    #[serde(rename = "running")]
    Running,
    /// It answers.
    #[serde(rename = "ready")]
    Ready,
    /// A newer commit takes the place of the one that serves.
    #[serde(rename = "updating")]
    Updating,
    /// It never came to answer; what there is of it stays for a look.
    #[serde(rename = "failed")]
    Failed,
    /// It is being removed.
    #[serde(rename = "destroying")]
    Destroying,
    /// Nothing is left: the record itself goes.
    #[serde(rename = "gone")]
    Gone,
}

/// What happened to a preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreviewEvent {
    /// Its closure is built.
    Built,
    /// Its container is up.
    Started,
    /// Its services were started and nobody waits for them.
    LeftAlone,
    /// The services of a deployed one are about to be started again: for other
    /// code in the same container, or by a restart.
    SetupBegan,
    /// It answers, and something listens wherever a route leads.
    Answered,
    /// Somebody wants another commit of it.
    UpdateBegan,
    /// The update came to nothing; the old site serves on.
    UpdateFailed,
    /// The update or the restart came to nothing, and nobody knows whether what
    /// is deployed answers.
    UpdateFailedUnanswered,
    /// The first deployment came to nothing.
    Failed,
    /// Removing it begins.
    DestroyBegan,
    /// All of it is removed.
    Removed,
}

/// Something that cannot happen to a preview in this phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a preview that is {phase} cannot become what follows `{event:?}`")]
pub struct PreviewPhaseError {
    /// Its phase.
    pub phase: PreviewPhase,
    /// What was said to have happened.
    pub event: PreviewEvent,
}

/// A word in the state database that is no phase of a preview.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no phase of a preview")]
pub struct PreviewPhaseWordError(String);

impl PreviewPhase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Building,
        Self::Creating,
        Self::SettingUp,
        Self::Running,
        Self::Ready,
        Self::Updating,
        Self::Failed,
        Self::Destroying,
        Self::Gone,
    ];

    /// The phase that follows.
    pub fn after(self, event: PreviewEvent) -> Result<Self, PreviewPhaseError> {
        use PreviewEvent as E;
        match (self, event) {
            (Self::Building, E::Built) => Ok(Self::Creating),
            (Self::Creating, E::Started) | (Self::Running | Self::Ready | Self::Updating, E::SetupBegan) => {
                Ok(Self::SettingUp)
            }
            (Self::SettingUp, E::LeftAlone)
            | (Self::SettingUp | Self::Updating, E::UpdateFailedUnanswered) => Ok(Self::Running),
            (Self::SettingUp | Self::Running | Self::Ready | Self::Updating, E::Answered)
            | (Self::SettingUp | Self::Updating, E::UpdateFailed) => Ok(Self::Ready),
            (Self::Running | Self::Ready, E::UpdateBegan) => Ok(Self::Updating),
            // A failed one is deployed from the beginning.
            (Self::Failed, E::UpdateBegan) => Ok(Self::Building),
            (Self::Building | Self::Creating | Self::SettingUp, E::Failed) => Ok(Self::Failed),
            (
                Self::Building
                | Self::Creating
                | Self::SettingUp
                | Self::Running
                | Self::Ready
                | Self::Updating
                | Self::Failed
                | Self::Destroying,
                E::DestroyBegan,
            ) => Ok(Self::Destroying),
            (Self::Destroying, E::Removed) => Ok(Self::Gone),
            (phase, event) => Err(PreviewPhaseError { phase, event }),
        }
    }

    /// Whether a process that died in this phase left work half done.
    pub fn is_half_way(self) -> bool {
        match self {
            Self::Building | Self::Creating | Self::SettingUp | Self::Updating | Self::Destroying => true,
            Self::Running | Self::Ready | Self::Failed | Self::Gone => false,
        }
    }

    /// Whether requests are led to it.
    pub fn is_served(self) -> bool {
        match self {
            Self::Running | Self::Ready | Self::Updating => true,
            Self::Building
            | Self::Creating
            | Self::SettingUp
            | Self::Failed
            | Self::Destroying
            | Self::Gone => false,
        }
    }

    /// The word in the state database and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Creating => "creating",
            Self::SettingUp => "setting up",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Updating => "updating",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Gone => "gone",
        }
    }
}

impl FromStr for PreviewPhase {
    type Err = PreviewPhaseWordError;

    fn from_str(word: &str) -> Result<Self, PreviewPhaseWordError> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == word)
            .ok_or_else(|| PreviewPhaseWordError(word.escape_debug().to_string()))
    }
}

impl fmt::Display for PreviewPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [PreviewEvent; 11] = [
        PreviewEvent::Built,
        PreviewEvent::Started,
        PreviewEvent::LeftAlone,
        PreviewEvent::SetupBegan,
        PreviewEvent::Answered,
        PreviewEvent::UpdateBegan,
        PreviewEvent::UpdateFailed,
        PreviewEvent::UpdateFailedUnanswered,
        PreviewEvent::Failed,
        PreviewEvent::DestroyBegan,
        PreviewEvent::Removed,
    ];

    #[test]
    fn the_whole_table_of_transitions_is_this() {
        let mut table = String::new();
        for phase in PreviewPhase::ALL {
            for event in EVENTS {
                if let Ok(next) = phase.after(event) {
                    table += &format!("{phase} + {event:?} = {next}\n");
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn words_lead_back_to_their_phase() {
        for phase in PreviewPhase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
            assert_eq!(serde_json::to_value(phase).expect("JSON"), phase.as_str());
        }
        assert!("asleep".parse::<PreviewPhase>().is_err());
    }

    #[test]
    fn from_every_phase_there_is_a_way_to_gone() {
        for phase in PreviewPhase::ALL.into_iter().filter(|phase| *phase != PreviewPhase::Gone) {
            let gone = phase.after(PreviewEvent::DestroyBegan).and_then(|p| p.after(PreviewEvent::Removed));
            assert_eq!(gone, Ok(PreviewPhase::Gone), "{phase}");
        }
    }
}
