//! Looking at agents: the records and the host seen together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use berth_core::{ContainerName, Gpu, Health, Kind, Limits, Name, Shown, StorePath, UnitState};
use jiff::Timestamp;
use serde::Serialize;

use super::{AgentError, chain, find};
use crate::host::Host;
use crate::state::BerthRecord;

/// An agent as people see it. Its JSON is part of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentView {
    /// Its name.
    pub name: Name,
    /// What it is in.
    pub state: Shown,
    /// Its container on the host.
    pub container: ContainerName,
    /// Its address; none when its slot lies outside the configured subnet.
    pub address: Option<Ipv4Addr>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it will be removed; never if nothing.
    pub expires_at: Option<Timestamp>,
    /// The system that it boots.
    pub closure: StorePath,
    /// What it may use.
    pub limits: Limits,
    /// What it was given of the host's GPU, if anything.
    pub gpu: Option<Gpu>,
    /// What the system inside said of itself when it was last asked.
    pub health: Health,
    /// The units inside that had failed then.
    pub failed_units: Vec<String>,
    /// Why it failed, if it did.
    pub reason: Option<String>,
    /// The public host key that its sshd must prove.
    pub host_key: Option<String>,
}

/// All agents, by name. Asks systemd once, however many there are.
pub async fn list(host: &Host) -> Result<Vec<AgentView>, AgentError> {
    let records = host.state.berths(Some(Kind::Agent)).await?;
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let seen = Seen::of(host).await?;
    Ok(records.into_iter().map(|record| seen.view(host, record)).collect())
}

/// One agent. The system inside is asked anew how it is, if it runs.
pub async fn view(host: &Host, name: &Name) -> Result<AgentView, AgentError> {
    let record = find(host, name).await?;
    let seen = Seen::of(host).await?;
    if seen.units.get(&record.container) == Some(&UnitState::Active)
        && let Ok(condition) = host.tools.guests.condition(record.container).await
    {
        let recorded = host.state.set_health(record.id, condition.health, &condition.failed_units).await;
        if let Err(error) = recorded {
            // What is known can be told all the same.
            tracing::warn!(%name, error = %chain(&error), "how it is could not be recorded");
        }
    }
    Ok(seen.view(host, find(host, name).await?))
}

/// What the host has, looked at once.
struct Seen {
    units: BTreeMap<ContainerName, UnitState>,
    containers: BTreeSet<ContainerName>,
}

impl Seen {
    async fn of(host: &Host) -> Result<Self, AgentError> {
        let units = host.tools.systemd.unit_states().await?;
        let containers = host.tools.containers.list()?;
        Ok(Self { units, containers })
    }

    fn view(&self, host: &Host, record: BerthRecord) -> AgentView {
        let unit = self.units.get(&record.container).copied().unwrap_or(UnitState::Inactive);
        let exists = self.containers.contains(&record.container);
        let addresses = host.config.subnet.addresses(record.container.slot());
        AgentView {
            state: Shown::of(record.phase, unit, exists, record.health),
            name: record.name,
            container: record.container,
            address: addresses.map(|pair| pair.container),
            created_at: record.created_at,
            created_by: record.created_by,
            expires_at: record.expires_at,
            closure: record.system,
            limits: record.limits,
            gpu: record.gpu,
            health: record.health,
            failed_units: record.failed_units,
            reason: record.reason,
            host_key: record.host_key,
        }
    }
}
