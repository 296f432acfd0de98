//! Fake systems inside fake containers.

use async_trait::async_trait;
use berth_core::{ContainerName, Health, UnitState};

use super::{Condition, GuestError, Guests};
use crate::exec::ExecError;
use crate::fake::{Boot, FakeWorld, Moment, failure};

/// The systems inside the containers of a [`FakeWorld`].
pub struct FakeGuests {
    world: FakeWorld,
}

impl FakeGuests {
    /// Those of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    async fn enter(&self, call: &str, name: ContainerName) -> Result<(), ExecError> {
        let call = format!("{call} {name}");
        self.world.pass(&call, Moment::Before).await?;
        match self.world.unit_state(name) {
            UnitState::Active => Ok(()),
            UnitState::Inactive | UnitState::Activating | UnitState::Deactivating | UnitState::Failed => {
                Err(failure(&call, "Failed to connect to bus: Host is down"))
            }
        }
    }
}

#[async_trait]
impl Guests for FakeGuests {
    async fn condition(&self, name: ContainerName) -> Result<Condition, GuestError> {
        self.enter("guests.condition", name).await.map_err(GuestError::Condition)?;
        Ok(match self.world.boot(name) {
            Boot::Degraded(failed_units) => Condition { health: Health::Degraded, failed_units },
            Boot::Works | Boot::WithoutSsh | Boot::WithOtherHostKey | Boot::Fails | Boot::Hangs => {
                Condition { health: Health::Good, failed_units: Vec::new() }
            }
        })
    }

    async fn journal_tail(&self, name: ContainerName, _lines: u32) -> Result<String, GuestError> {
        self.enter("guests.journal_tail", name).await.map_err(GuestError::Journal)?;
        Ok(format!("the last words inside {name}"))
    }
}
