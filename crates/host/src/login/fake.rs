//! Fake logins into fake containers.

use std::fs;

use async_trait::async_trait;
use berth_core::{UnitState, guest};

use super::{Hurdle, LoginError, Logins, Probe, Target};
use crate::fake::{Boot, FakeWorld, Moment};

/// Logins into the containers of a [`FakeWorld`].
pub struct FakeLogins {
    world: FakeWorld,
}

impl FakeLogins {
    /// Those of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    /// A file that Berth should have put into the root.
    fn injected(&self, target: &Target, path: &str) -> String {
        let root = self.world.layout().container_root(target.container);
        fs::read_to_string(root.join(path)).unwrap_or_default()
    }

    fn is_pinned(&self, target: &Target) -> bool {
        let inner = self.world.lock();
        inner.table.as_ref().is_some_and(|table| {
            table
                .pins
                .sources
                .iter()
                .any(|pin| pin.container == target.container && pin.address == target.address)
        })
    }
}

#[async_trait]
impl Logins for FakeLogins {
    /// Lets in who would be let in: the unit is up, its address is pinned, the
    /// host key in the root is the one to prove, and somebody's key is there.
    async fn probe(&self, target: &Target) -> Result<Probe, LoginError> {
        let name = target.container;
        self.world.pass(&format!("logins.probe {name}"), Moment::Before).await.map_err(LoginError::Run)?;
        if self.world.unit_state(name) != UnitState::Active || !self.is_pinned(target) {
            return Ok(Probe::NotYet(Hurdle::Unreachable));
        }
        let boot = self.world.boot(name);
        if boot == Boot::WithoutSsh {
            return Ok(Probe::NotYet(Hurdle::Refused));
        }
        let proves_key = self.injected(target, guest::HOST_KEY_PUBLIC).trim() == target.host_key;
        if boot == Boot::WithOtherHostKey || !proves_key {
            return Err(LoginError::HostKey { container: name });
        }
        if self.injected(target, guest::AUTHORIZED_KEYS).is_empty() {
            return Ok(Probe::NotYet(Hurdle::NoLogin("Permission denied (publickey).".to_owned())));
        }
        Ok(Probe::LoggedIn)
    }
}
