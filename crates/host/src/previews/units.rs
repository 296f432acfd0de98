//! What systemd says about the containers of previews.

use std::collections::{BTreeMap, BTreeSet};

use berth_core::{ContainerName, UnitState};

use crate::host::Host;
use crate::systemd::SystemdError;

/// The units of containers, looked at once.
pub(super) struct Units {
    states: BTreeMap<ContainerName, UnitState>,
    restarted: BTreeSet<ContainerName>,
}

impl Units {
    pub(super) async fn of(host: &Host) -> Result<Self, SystemdError> {
        let states = host.tools.systemd.unit_states().await?;
        let restarted = host.tools.systemd.restarted().await?;
        Ok(Self { states, restarted })
    }

    /// The state of a container's unit.
    pub(super) fn state(&self, container: ContainerName) -> UnitState {
        self.states.get(&container).copied().unwrap_or(UnitState::Inactive)
    }

    /// Whether a container runs and nobody has started its services: it
    /// rebooted itself or crashed, and systemd brought it back alone.
    pub(super) fn lacks_services(&self, container: ContainerName) -> bool {
        self.state(container) == UnitState::Active && self.restarted.contains(&container)
    }

    /// Whether a preview that this container serves must be brought up. What is
    /// on its way is left to itself; no container is none that could.
    pub(super) fn is_down(&self, container: Option<ContainerName>) -> bool {
        container.is_none_or(|container| match self.state(container) {
            UnitState::Inactive | UnitState::Failed => true,
            UnitState::Active => self.lacks_services(container),
            UnitState::Activating | UnitState::Deactivating => false,
        })
    }

    /// Whether a container runs as Berth started it.
    pub(super) fn runs(&self, container: ContainerName) -> bool {
        self.state(container) == UnitState::Active && !self.restarted.contains(&container)
    }
}
