//! Berth's own handling of containers on a fake nixos-container.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use async_trait::async_trait;
use berth_core::conf_file::ContainerConf;
use berth_core::{ContainerName, UnitState};

use super::tool::Tool;
use super::{Containers, ContainersError, NixosContainers};
use crate::exec::ExecError;
use crate::fake::{FakeWorld, Moment, failure};

/// The containers of a [`FakeWorld`]. Only the tool is fake; what Berth does
/// around it is the real thing on real files.
pub struct FakeContainers {
    world: FakeWorld,
    containers: NixosContainers,
}

impl FakeContainers {
    /// Those of this world.
    pub fn new(world: &FakeWorld) -> Self {
        let tool = FakeTool { world: world.clone() };
        Self { world: world.clone(), containers: NixosContainers::with(world.layout(), Box::new(tool)) }
    }
}

#[async_trait]
impl Containers for FakeContainers {
    async fn create(&self, name: ContainerName, conf: &ContainerConf) -> Result<(), ContainersError> {
        let call = format!("containers.create {name}");
        self.world.pass(&call, Moment::Before).await.map_err(ContainersError::Create)?;
        self.containers.create(name, conf).await?;
        self.world.pass(&call, Moment::After).await.map_err(ContainersError::Create)
    }

    async fn remove(&self, name: ContainerName) -> Result<(), ContainersError> {
        let call = format!("containers.remove {name}");
        self.world.pass(&call, Moment::Before).await.map_err(ContainersError::Destroy)?;
        let is_living = self.world.unit_state(name) != UnitState::Inactive;
        self.containers.remove(name).await?;
        if is_living {
            // The restart loop brings the files back.
            self.world.violate(format!("{name} was removed under its living unit"));
            fs::create_dir_all(self.world.layout().container_root(name).join("etc")).expect(WRITABLE);
        }
        self.world.pass(&call, Moment::After).await.map_err(ContainersError::Destroy)
    }

    fn list(&self) -> Result<BTreeSet<ContainerName>, ContainersError> {
        self.world.pass_now("containers.list").map_err(ContainersError::Create)?;
        self.containers.list()
    }
}

const WRITABLE: &str = "a test can write below its layout";

/// `nixos-container` itself.
struct FakeTool {
    world: FakeWorld,
}

#[async_trait]
impl Tool for FakeTool {
    async fn create(&self, name: ContainerName, conf: &ContainerConf) -> Result<(), ExecError> {
        let layout = self.world.layout();
        let call = format!("nixos-container.create {name}");
        self.world.pass(&call, Moment::Before).await?;
        if layout.conf(name).exists() {
            return Err(failure(&call, &format!("container ‘{name}’ already exists")));
        }
        let addresses = conf.addresses;
        let text = format!(
            "PRIVATE_NETWORK=1\nHOST_ADDRESS={}\nLOCAL_ADDRESS={}\nHOST_BRIDGE=\nHOST_PORT=\nAUTO_START=0\n",
            addresses.host, addresses.container
        );
        fs::write(layout.conf(name), text).expect(WRITABLE);
        self.world.pass(&call, Moment::Midway).await?;
        if !self.world.lock().store.contains(&conf.system) {
            self.clear(name);
            return Err(failure(&call, "failed to set initial container configuration"));
        }
        fs::create_dir_all(layout.profile(name)).expect(WRITABLE);
        let link = layout.profile(name).join("system");
        let _ = fs::remove_file(&link);
        symlink(conf.system.as_path(), link).expect(WRITABLE);
        self.world.pass(&call, Moment::After).await
    }

    async fn destroy(&self, name: ContainerName) -> Result<(), ExecError> {
        let call = format!("nixos-container.destroy {name}");
        self.world.pass(&call, Moment::Before).await?;
        if self.world.layout().conf(name).exists() {
            self.clear(name);
        }
        self.world.pass(&call, Moment::After).await
    }
}

impl FakeTool {
    fn clear(&self, name: ContainerName) {
        let layout = self.world.layout();
        for folder in [layout.profile(name), layout.container_gc_roots(name), layout.container_root(name)] {
            let _ = fs::remove_dir_all(folder);
        }
        let _ = fs::remove_file(layout.conf(name));
    }
}
