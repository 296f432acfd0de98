//! Building the closure of agents, with its event.

use berth_core::Kind;

use super::error::chain;
use super::{Actor, AgentError};
use crate::closures;
use crate::host::Host;
use crate::progress::{Interrupt, Progress};
use crate::state::{NewEvent, Outcome};

pub use crate::closures::Built;

/// Builds `nixosConfigurations.agent` of the configured flake, records and
/// pins it for new agents. Existing agents keep theirs.
pub async fn build(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Built, AgentError> {
    let built = closures::build(host, progress, interrupt).await;
    let (outcome, detail) = match &built {
        Ok(built) => (Outcome::Succeeded, built.closure.system.to_string()),
        Err(error) => (Outcome::Failed, chain(error)),
    };
    let event = NewEvent {
        at: (host.now)(),
        actor: by.to_string(),
        kind: Kind::Agent,
        name: None,
        container: None,
        action: "build".to_owned(),
        outcome,
        detail: Some(detail),
    };
    host.state.add_event(event).await?;
    Ok(built?)
}
