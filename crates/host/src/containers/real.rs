//! Containers on the host, made and removed with nixos-container.

use std::collections::BTreeSet;

use async_trait::async_trait;
use berth_core::conf_file::ContainerConf;
use berth_core::{ContainerName, Layout};

use super::tool::{Program, Tool};
use super::{Containers, ContainersError, parts};

/// The containers of this host.
pub struct NixosContainers {
    layout: Layout,
    tool: Box<dyn Tool>,
}

impl NixosContainers {
    /// Those that lie in this layout. nixos-container itself knows only
    /// the layout of a real host.
    pub fn new(layout: &Layout) -> Self {
        Self::with(layout, Box::new(Program))
    }

    pub(super) fn with(layout: &Layout, tool: Box<dyn Tool>) -> Self {
        Self { layout: layout.clone(), tool }
    }

    /// Runs file work that may take long aside. It goes on when this future is
    /// dropped, and it is harmless then: it only removes, and what removes or
    /// makes this container next does so again.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<T, ContainersError> + Send + 'static,
    ) -> Result<T, ContainersError> {
        let layout = self.layout.clone();
        tokio::task::spawn_blocking(move || work(&layout)).await.expect("file work does not panic")
    }
}

#[async_trait]
impl Containers for NixosContainers {
    async fn create(&self, name: ContainerName, conf: &ContainerConf) -> Result<(), ContainersError> {
        let layout = &self.layout;
        let has_conf = parts::has_conf(layout, name)?;
        if has_conf && !parts::has_profile(layout, name)? {
            // An earlier attempt was killed between the two, and the tool
            // refuses a name that has a configuration file.
            parts::remove_conf(layout, name)?;
        } else if !has_conf {
            parts::refuse_old_root(layout, name)?;
        }
        if !parts::has_conf(layout, name)? {
            self.tool.create(name, conf).await.map_err(ContainersError::Create)?;
        }
        parts::write_conf(layout, name, conf)?;
        parts::make_root(layout, name)
    }

    /// The trees go first, by Berth's own hand: the tool would run `find`,
    /// `mountpoint`, `umount` and `chattr` over what container root planted,
    /// and take its time. Then it removes the rest of what it keeps.
    async fn remove(&self, name: ContainerName) -> Result<(), ContainersError> {
        self.aside(move |layout| parts::remove_trees(layout, name)).await?;
        if parts::has_conf(&self.layout, name)? {
            self.tool.destroy(name).await.map_err(ContainersError::Destroy)?;
        }
        // It returns zero with files left.
        self.aside(move |layout| {
            parts::remove_trees(layout, name)?;
            parts::remove_conf(layout, name)?;
            match parts::first_left(layout, name)? {
                Some(path) => Err(ContainersError::CameBack { container: name, path }),
                None => Ok(()),
            }
        })
        .await
    }

    fn list(&self) -> Result<BTreeSet<ContainerName>, ContainersError> {
        parts::list(&self.layout)
    }
}
