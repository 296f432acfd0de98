//! Fake systems inside fake containers.

use std::time::Duration;

use async_trait::async_trait;
use berth_core::meta::UnitName;
use berth_core::{ContainerName, Health, UnitState};

use super::{Condition, GuestError, GuestFile, Guests};
use crate::exec::{ExecError, Watcher};
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

    async fn restart_unit(
        &self,
        name: ContainerName,
        unit: &UnitName,
        _deadline: Duration,
    ) -> Result<(), GuestError> {
        let call = format!("guests.restart_unit {name} {unit}");
        self.enter("guests.restart_unit", name).await.map_err(GuestError::Unit)?;
        let fails = self.world.lock().failing_services.contains(unit.as_str());
        if fails {
            return Err(GuestError::Unit(failure(&call, &format!("Job for {unit} failed"))));
        }
        self.world.lock().services.push(format!("{name} {unit}"));
        self.world.pass(&call, Moment::After).await.map_err(GuestError::Unit)
    }

    async fn start_units(&self, name: ContainerName, units: &[UnitName]) -> Result<(), GuestError> {
        self.enter("guests.start_units", name).await.map_err(GuestError::Unit)?;
        let started = units.iter().map(|unit| format!("{name} {unit}"));
        self.world.lock().services.extend(started);
        Ok(())
    }

    async fn unit_tail(&self, name: ContainerName, unit: &str, _lines: u32) -> Result<String, GuestError> {
        self.enter("guests.unit_tail", name).await.map_err(GuestError::Journal)?;
        Ok(format!("the last words of {unit} in {name}"))
    }

    async fn follow_unit(&self, name: ContainerName, unit: &UnitName, log: Watcher<'_>) {
        log(&format!("{unit} says something in {name}"));
        std::future::pending().await
    }

    async fn replace_file(&self, name: ContainerName, file: GuestFile) -> Result<(), GuestError> {
        self.enter("guests.replace_file", name).await.map_err(GuestError::File)?;
        let text = String::from_utf8_lossy(&file.content).into_owned();
        self.world.lock().guest_files.insert(format!("{name}:{}", file.path), text);
        Ok(())
    }
}
