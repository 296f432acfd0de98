//! The real nft.

use std::collections::BTreeSet;

use async_trait::async_trait;
use berth_core::Subnet;
use berth_core::firewall::{self, Pin, Pins};

use super::{Firewall, FirewallError, listing};
use crate::exec::{ExecError, Invocation, Output, Stdin};

/// What nft says when a table or a set is not there. Its exit code is 1 for
/// everything.
const ABSENT: &str = "No such file or directory";

/// More than the listing of 32,512 pins.
const LISTING_MAX: usize = 16 << 20;

/// The firewall of this host.
pub struct NftCli;

#[async_trait]
impl Firewall for NftCli {
    async fn is_current(&self, subnet: Subnet) -> Result<bool, FirewallError> {
        match present(table_invocation().run_any().await).map_err(FirewallError::Look)? {
            Some(output) => {
                let json = output.whole_stdout().map_err(FirewallError::Look)?;
                let problem = listing::problem(json, subnet).map_err(FirewallError::Form)?;
                if let Some(problem) = &problem {
                    tracing::info!(problem, "the table inet berth is not current");
                }
                Ok(problem.is_none())
            }
            None => Ok(false),
        }
    }

    async fn load(&self, subnet: Subnet, pins: &Pins) -> Result<(), FirewallError> {
        let commands = firewall::load_commands(subnet, pins);
        let output = commands_invocation(commands).aim("load the table inet berth").run().await;
        output.map(drop).map_err(FirewallError::Load)
    }

    async fn pin(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = commands_invocation(firewall::pin_command(&pin))
            .aim(format!("open the firewall for {}", pin.container));
        match present(call.run_any().await).map_err(FirewallError::Pin)? {
            Some(_) => Ok(()),
            None => Err(FirewallError::NotLoaded),
        }
    }

    async fn unpin(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = commands_invocation(firewall::unpin_commands(&pin))
            .aim(format!("close the firewall for {}", pin.container));
        present(call.run_any().await).map(drop).map_err(FirewallError::Unpin)
    }

    async fn pins(&self) -> Result<BTreeSet<Pin>, FirewallError> {
        elements(firewall::SOURCES).await
    }

    async fn open_database(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = commands_invocation(firewall::open_database_command(&pin))
            .aim(format!("open the databases for {}", pin.container));
        match present(call.run_any().await).map_err(FirewallError::OpenDatabase)? {
            Some(_) => Ok(()),
            None => Err(FirewallError::NotLoaded),
        }
    }

    async fn close_database(&self, pin: Pin) -> Result<(), FirewallError> {
        let call = commands_invocation(firewall::close_database_commands(&pin))
            .aim(format!("close the databases for {}", pin.container));
        present(call.run_any().await).map(drop).map_err(FirewallError::CloseDatabase)
    }

    async fn database_pins(&self) -> Result<BTreeSet<Pin>, FirewallError> {
        elements(firewall::DATABASES).await
    }
}

/// The pins in one of the sets.
async fn elements(set: &str) -> Result<BTreeSet<Pin>, FirewallError> {
    match present(set_invocation(set).run_any().await).map_err(FirewallError::Look)? {
        Some(output) => {
            let json = output.whole_stdout().map_err(FirewallError::Look)?;
            listing::pins(json, set).map_err(FirewallError::Form)
        }
        None => Ok(BTreeSet::new()),
    }
}

/// Tells a table or set that is absent from other failures.
fn present(output: Result<Output, ExecError>) -> Result<Option<Output>, ExecError> {
    let output = output?;
    let is_absent = !output.exit.is_success() && output.stderr.text().contains(ABSENT);
    if is_absent { Ok(None) } else { output.success().map(Some) }
}

fn commands_invocation(commands: String) -> Invocation {
    Invocation::new("nft").args(["-f", "-"]).stdin(Stdin::Bytes(commands.into_bytes()))
}

fn table_invocation() -> Invocation {
    Invocation::new("nft")
        .args(["-j", "list", "table", firewall::FAMILY, firewall::TABLE])
        .aim("look at the table inet berth")
        .keep(LISTING_MAX)
}

fn set_invocation(set: &str) -> Invocation {
    Invocation::new("nft")
        .args(["-j", "list", "set", firewall::FAMILY, firewall::TABLE, set])
        .aim("list the pinned addresses")
        .keep(LISTING_MAX)
}
