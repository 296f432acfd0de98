//! A fake network.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use berth_core::UnitState;

use super::{Network, ProbeError};
use crate::fake::{FakeWorld, Moment};

/// What containers answer, where it is not what running ones do.
#[derive(Default)]
pub(crate) struct FakeNetworkState {
    answers: BTreeMap<SocketAddr, VecDeque<Option<u16>>>,
    connections: BTreeMap<Ipv4Addr, VecDeque<usize>>,
}

/// The network of a [`FakeWorld`]: whatever runs answers with 200 at every
/// port.
pub struct FakeNetwork {
    world: FakeWorld,
}

impl FakeNetwork {
    /// That of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }
}

impl FakeWorld {
    /// Chooses what the next requests to this address get, one after the other
    /// and the last for ever: a status, or nobody who listens. A connection
    /// alone uses up the latter only.
    pub fn answers(&self, address: SocketAddr, answers: &[Option<u16>]) {
        self.lock().network.answers.insert(address, answers.iter().copied().collect());
    }

    /// Chooses how many connections there are to a container each time that
    /// somebody looks; the last number stays. None unless chosen.
    pub fn has_connections(&self, container: Ipv4Addr, counts: &[usize]) {
        self.lock().network.connections.insert(container, counts.iter().copied().collect());
    }

    fn has_status(&self, address: SocketAddr) -> bool {
        let state = self.lock();
        state.network.answers.get(&address).is_some_and(|list| matches!(list.front(), Some(Some(_))))
    }

    fn answer(&self, address: SocketAddr) -> Result<u16, ProbeError> {
        let chosen = next(self.lock().network.answers.get_mut(&address));
        let status = chosen.unwrap_or_else(|| self.is_up(&address.ip().to_string()).then_some(200));
        status.ok_or(ProbeError::Refused { address })
    }

    fn is_up(&self, address: &str) -> bool {
        self.lock().units.values().any(|unit| unit.state == UnitState::Active && unit.address == address)
    }
}

/// The next of a list whose last one stays.
fn next<T: Copy>(list: Option<&mut VecDeque<T>>) -> Option<T> {
    let list = list?;
    if list.len() > 1 { list.pop_front() } else { list.front().copied() }
}

#[async_trait]
impl Network for FakeNetwork {
    async fn status(
        &self,
        address: SocketAddr,
        _host: &str,
        path: &str,
        deadline: Duration,
    ) -> Result<u16, ProbeError> {
        let call = format!("network.status {address}{path}");
        let passed = self.world.pass(&call, Moment::Before).await;
        passed.map_err(|_| ProbeError::TimedOut { address, after: deadline })?;
        self.world.answer(address)
    }

    async fn connect(&self, address: SocketAddr, deadline: Duration) -> Result<(), ProbeError> {
        let passed = self.world.pass(&format!("network.connect {address}"), Moment::Before).await;
        passed.map_err(|_| ProbeError::TimedOut { address, after: deadline })?;
        if self.world.has_status(address) { Ok(()) } else { self.world.answer(address).map(drop) }
    }

    fn connections(&self, container: Ipv4Addr) -> io::Result<usize> {
        self.world.pass_now(&format!("network.connections {container}")).map_err(io::Error::other)?;
        Ok(next(self.world.lock().network.connections.get_mut(&container)).unwrap_or_default())
    }
}
