//! A fake nft.

use std::collections::BTreeSet;

use async_trait::async_trait;
use berth_core::Subnet;
use berth_core::firewall::{Pin, Pins};

use super::{Firewall, FirewallError};
use crate::fake::{FakeWorld, Moment, Table};

/// The firewall of a [`FakeWorld`].
pub struct FakeFirewall {
    world: FakeWorld,
}

impl FakeFirewall {
    /// That of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    fn elements(&self) -> Pins {
        self.world.lock().table.as_ref().map(|table| table.pins.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Firewall for FakeFirewall {
    async fn is_current(&self, subnet: Subnet) -> Result<bool, FirewallError> {
        self.world.pass("firewall.is_current", Moment::Before).await.map_err(FirewallError::Look)?;
        Ok(self.world.lock().table.as_ref().is_some_and(|table| table.subnet == subnet))
    }

    async fn load(&self, subnet: Subnet, pins: &Pins) -> Result<(), FirewallError> {
        self.world.pass("firewall.load", Moment::Before).await.map_err(FirewallError::Load)?;
        self.world.lock().table = Some(Table { subnet, pins: pins.clone() });
        self.world.pass("firewall.load", Moment::After).await.map_err(FirewallError::Load)
    }

    async fn pin(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = format!("firewall.pin {}", pin.container);
        self.world.pass(&call, Moment::Before).await.map_err(FirewallError::Pin)?;
        match &mut self.world.lock().table {
            Some(table) => table.pins.sources.insert(pin),
            None => return Err(FirewallError::NotLoaded),
        };
        self.world.pass(&call, Moment::After).await.map_err(FirewallError::Pin)
    }

    async fn unpin(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = format!("firewall.unpin {}", pin.container);
        self.world.pass(&call, Moment::Before).await.map_err(FirewallError::Unpin)?;
        if let Some(table) = &mut self.world.lock().table {
            table.pins.sources.remove(&pin);
            table.pins.databases.remove(&pin);
        }
        self.world.pass(&call, Moment::After).await.map_err(FirewallError::Unpin)
    }

    async fn pins(&self) -> Result<BTreeSet<Pin>, FirewallError> {
        self.world.pass("firewall.pins", Moment::Before).await.map_err(FirewallError::Look)?;
        Ok(self.elements().sources)
    }

    async fn open_database(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = format!("firewall.open_database {}", pin.container);
        self.world.pass(&call, Moment::Before).await.map_err(FirewallError::OpenDatabase)?;
        match &mut self.world.lock().table {
            Some(table) => table.pins.databases.insert(pin),
            None => return Err(FirewallError::NotLoaded),
        };
        self.world.pass(&call, Moment::After).await.map_err(FirewallError::OpenDatabase)
    }

    async fn close_database(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = format!("firewall.close_database {}", pin.container);
        self.world.pass(&call, Moment::Before).await.map_err(FirewallError::CloseDatabase)?;
        if let Some(table) = &mut self.world.lock().table {
            table.pins.databases.remove(&pin);
        }
        self.world.pass(&call, Moment::After).await.map_err(FirewallError::CloseDatabase)
    }

    async fn database_pins(&self) -> Result<BTreeSet<Pin>, FirewallError> {
        self.world.pass("firewall.database_pins", Moment::Before).await.map_err(FirewallError::Look)?;
        Ok(self.elements().databases)
    }
}
