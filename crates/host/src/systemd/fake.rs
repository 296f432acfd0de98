//! A fake systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::{ContainerName, Gpu, Limits, UnitState};

use super::{Systemd, SystemdError, limits};
use crate::exec::ExecError;
use crate::fake::{Boot, FakeWorld, Moment, Unit, failure};

/// systemd's `DefaultStartLimitBurst`. The ten seconds around it are left
/// out: a test has no clock.
const START_LIMIT: u32 = 5;

/// The units of a [`FakeWorld`].
pub struct FakeSystemd {
    world: FakeWorld,
}

impl FakeSystemd {
    /// Those of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    /// What keeps a unit from starting, as the start script and the guard find
    /// it; its address when nothing does.
    fn check(&self, name: ContainerName) -> Result<String, String> {
        let layout = self.world.layout();
        let conf = fs::read_to_string(layout.conf(name))
            .map_err(|_| format!("container ‘{name}’ does not exist"))?;
        let value = |key: &str| {
            let line = conf.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        let inner = self.world.lock();
        let (system, address) = (value("SYSTEM_PATH"), value("LOCAL_ADDRESS"));
        if inner.table.is_none() {
            return Err("berth-guard: the table inet berth is not loaded".to_owned());
        }
        if !layout.container_root(name).is_dir() {
            return Err("berth-guard: it has no root".to_owned());
        }
        if !inner.store.iter().any(|path| path.as_str() == system) {
            return Err(format!("exec: {system}/init: not found"));
        }
        if inner.units.iter().any(|(other, unit)| *other != name && unit.address == address) {
            return Err("RTNETLINK answers: File exists".to_owned());
        }
        Ok(address)
    }

    fn set_state(&self, name: ContainerName, state: UnitState, address: String) {
        self.world.lock().units.insert(name, Unit { state, address });
    }

    fn fail(&self, name: ContainerName, state: UnitState, call: &str, said: &str) -> SystemdError {
        self.world.say(name, said);
        self.set_state(name, state, String::new());
        SystemdError::Start(failure(call, said))
    }
}

#[async_trait]
impl Systemd for FakeSystemd {
    async fn unit_states(&self) -> Result<BTreeMap<ContainerName, UnitState>, SystemdError> {
        self.world.pass("systemd.unit_states", Moment::Before).await.map_err(SystemdError::List)?;
        Ok(self.world.lock().units.iter().map(|(name, unit)| (*name, unit.state)).collect())
    }

    async fn restarted(&self) -> Result<BTreeSet<ContainerName>, SystemdError> {
        self.world.pass("systemd.restarted", Moment::Before).await.map_err(SystemdError::List)?;
        Ok(self.world.lock().restarted.clone())
    }

    async fn start(&self, name: ContainerName, deadline: Duration) -> Result<(), SystemdError> {
        let call = format!("systemd.start {name}");
        let pass = async |moment| self.world.pass(&call, moment).await.map_err(SystemdError::Start);
        pass(Moment::Before).await?;
        if self.world.unit_state(name) == UnitState::Active {
            return pass(Moment::After).await;
        }
        self.world.lock().journals.remove(&name);
        self.world.lock().restarted.remove(&name);
        let starts = *self.world.lock().starts.entry(name).and_modify(|starts| *starts += 1).or_insert(1);
        if starts > START_LIMIT {
            return Err(self.fail(name, UnitState::Failed, &call, "start request repeated too quickly"));
        }
        let address = match self.check(name) {
            Ok(address) => address,
            // A failed ExecStartPre is a failure to start again from.
            Err(said) => return Err(self.fail(name, UnitState::Activating, &call, &said)),
        };
        self.set_state(name, UnitState::Activating, address);
        pass(Moment::Midway).await?;
        match self.world.boot(name) {
            Boot::Fails => return Err(self.fail(name, UnitState::Activating, &call, "kernel panic inside")),
            Boot::Hangs => {
                tokio::time::sleep(deadline).await;
                self.world.unload(name);
                return Err(SystemdError::NotUp { container: name, after: deadline });
            }
            Boot::Works | Boot::Degraded(_) | Boot::WithoutSsh | Boot::WithOtherHostKey => {
                self.world.come_up(name);
            }
        }
        self.world.say(name, "Started Container");
        pass(Moment::After).await
    }

    async fn stop(&self, name: ContainerName, _patience: Duration) -> Result<(), SystemdError> {
        let call = format!("systemd.stop {name}");
        let pass = async |moment| self.world.pass(&call, moment).await.map_err(SystemdError::Stop);
        pass(Moment::Before).await?;
        if let Some(unit) = self.world.lock().units.get_mut(&name) {
            unit.state = UnitState::Deactivating;
        }
        pass(Moment::Midway).await?;
        self.world.unload(name);
        self.world.lock().starts.remove(&name);
        pass(Moment::After).await
    }

    async fn set_limits(&self, name: ContainerName, limits: &Limits) -> Result<(), SystemdError> {
        let call = format!("systemd.set_limits {name}");
        let pass = async |moment| self.world.pass(&call, moment).await.map_err(SystemdError::SetLimits);
        pass(Moment::Before).await?;
        let [folder, _] = limits::folders(self.world.layout(), name);
        fs::create_dir_all(&folder).expect("a test can write below its layout");
        for property in limits.properties() {
            let (key, _) = property.split_once('=').expect("a property is a name and a value");
            let text = format!("[Service]\n{property}\n");
            fs::write(folder.join(format!("50-{key}.conf")), text)
                .expect("a test can write below its layout");
        }
        pass(Moment::After).await
    }

    async fn allow_gpu(&self, name: ContainerName, gpu: &Gpu) -> Result<(), SystemdError> {
        let call = format!("systemd.allow_gpu {name}");
        let pass = async |moment| self.world.pass(&call, moment).await.map_err(SystemdError::AllowGpu);
        pass(Moment::Before).await?;
        let [folder, _] = limits::folders(self.world.layout(), name);
        fs::create_dir_all(&folder).expect("a test can write below its layout");
        let text = format!("[Service]\n{}\n", gpu.properties().join("\n"));
        fs::write(folder.join("50-DeviceAllow.conf"), text).expect("a test can write below its layout");
        pass(Moment::After).await
    }

    async fn revert(&self, name: ContainerName) -> Result<(), SystemdError> {
        let call = format!("systemd.revert {name}");
        let pass = async |moment| self.world.pass(&call, moment).await.map_err(SystemdError::SetLimits);
        pass(Moment::Before).await?;
        limits::remove(self.world.layout(), name)?;
        pass(Moment::After).await
    }

    fn limited(&self) -> Result<BTreeSet<ContainerName>, SystemdError> {
        self.world.pass_now("systemd.limited").map_err(SystemdError::List)?;
        limits::list(self.world.layout())
    }

    async fn unit_log(&self, name: ContainerName, lines: u32) -> Result<String, SystemdError> {
        let failed: Result<(), ExecError> =
            self.world.pass(&format!("systemd.unit_log {name}"), Moment::Before).await;
        failed.map_err(SystemdError::Journal)?;
        let inner = self.world.lock();
        let journal = inner.journals.get(&name).map(Vec::as_slice).unwrap_or_default();
        let skipped = journal.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
        Ok(journal[skipped..].join("\n"))
    }
}
