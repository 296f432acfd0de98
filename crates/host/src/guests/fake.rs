//! Fake systems inside fake containers.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::meta::UnitName;
use berth_core::{ContainerName, Health, UnitState, guest};

use super::{Condition, GuestError, GuestFile, Guests};
use crate::exec::{ExecError, Watcher};
use crate::fake::{Boot, FakeWorld, Moment, failure};

impl FakeWorld {
    /// Chooses whether a service fails whenever it is started, in every
    /// container.
    pub fn service_fails(&self, unit: &str, fails: bool) {
        let mut inner = self.lock();
        if fails {
            inner.failing_services.insert(unit.to_owned());
        } else {
            inner.failing_services.remove(unit);
        }
    }

    /// The services that were started in a container and run, or ran to their
    /// end, each with the environment file that it was started with.
    pub fn services(&self, name: ContainerName) -> BTreeMap<String, String> {
        self.lock().services.get(&name).cloned().unwrap_or_default()
    }

    fn end_service(&self, name: ContainerName, unit: &UnitName) {
        if let Some(services) = self.lock().services.get_mut(&name) {
            services.remove(unit.as_str());
        }
    }

    fn begin_service(&self, name: ContainerName, unit: &UnitName) {
        let file = self.layout().container_root(name).join(guest::ENVIRONMENT);
        let environment = fs::read_to_string(file).unwrap_or_default();
        self.lock().services.entry(name).or_default().insert(unit.to_string(), environment);
    }
}

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
        self.world.pass(call, Moment::Before).await?;
        match self.world.unit_state(name) {
            UnitState::Active => Ok(()),
            UnitState::Inactive | UnitState::Activating | UnitState::Deactivating | UnitState::Failed => {
                Err(failure(call, "Failed to connect to bus: Host is down"))
            }
        }
    }
}

#[async_trait]
impl Guests for FakeGuests {
    async fn condition(&self, name: ContainerName) -> Result<Condition, GuestError> {
        self.enter(&format!("guests.condition {name}"), name).await.map_err(GuestError::Condition)?;
        Ok(match self.world.boot(name) {
            Boot::Degraded(failed_units) => Condition { health: Health::Degraded, failed_units },
            Boot::Works | Boot::WithoutSsh | Boot::WithOtherHostKey | Boot::Fails | Boot::Hangs => {
                Condition { health: Health::Good, failed_units: Vec::new() }
            }
        })
    }

    async fn journal_tail(&self, name: ContainerName, _lines: u32) -> Result<String, GuestError> {
        self.enter(&format!("guests.journal_tail {name}"), name).await.map_err(GuestError::Journal)?;
        Ok(format!("the last words inside {name}"))
    }

    async fn restart_unit(
        &self,
        name: ContainerName,
        unit: &UnitName,
        _deadline: Duration,
    ) -> Result<(), GuestError> {
        let call = format!("guests.restart_unit {name} {unit}");
        self.enter(&call, name).await.map_err(GuestError::Unit)?;
        self.world.end_service(name, unit);
        self.world.pass(&call, Moment::Midway).await.map_err(GuestError::Unit)?;
        let fails = self.world.lock().failing_services.contains(unit.as_str());
        if fails {
            return Err(GuestError::Unit(failure(&call, &format!("Job for {unit} failed"))));
        }
        self.world.begin_service(name, unit);
        self.world.pass(&call, Moment::After).await.map_err(GuestError::Unit)
    }

    async fn start_units(&self, name: ContainerName, units: &[UnitName]) -> Result<(), GuestError> {
        self.enter(&format!("guests.start_units {name}"), name).await.map_err(GuestError::Unit)?;
        // It goes on by itself, and stops at the first that fails.
        let failing = self.world.lock().failing_services.clone();
        for unit in units.iter().take_while(|unit| !failing.contains(unit.as_str())) {
            self.world.begin_service(name, unit);
        }
        Ok(())
    }

    async fn unit_tail(&self, name: ContainerName, unit: &str, _lines: u32) -> Result<String, GuestError> {
        self.enter(&format!("guests.unit_tail {name}"), name).await.map_err(GuestError::Journal)?;
        Ok(format!("the last words of {unit} in {name}"))
    }

    async fn follow_unit(&self, name: ContainerName, unit: &UnitName, _deadline: Duration, log: Watcher<'_>) {
        log(&format!("{unit} says something in {name}"));
        std::future::pending::<()>().await;
    }

    async fn replace_file(&self, name: ContainerName, file: GuestFile) -> Result<(), GuestError> {
        let call = format!("guests.replace_file {name}");
        self.enter(&call, name).await.map_err(GuestError::File)?;
        let path = self.world.layout().container_root(name).join(file.path.trim_start_matches('/'));
        let _ = fs::remove_file(&path);
        fs::write(path, &file.content).expect("a test can write below its layout");
        self.world.pass(&call, Moment::After).await.map_err(GuestError::File)
    }
}
