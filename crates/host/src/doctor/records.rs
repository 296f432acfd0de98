//! The records against the host: what is half done, left over or missing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use berth_core::Kind;
use thiserror::Error;

use super::Finding;
use crate::closures::{self, ClosureError};
use crate::host::Host;
use crate::inventory::{Inventory, InventoryError};
use crate::lock::LockError;
use crate::reconcile::{self, ReconcileError};
use crate::state::StateError;

const DATABASE: &str = "records";
const CLOSURE: &str = "closure";
const ROOTS: &str = "container roots";
const LEFTOVERS: &str = "leftovers";
const AGENTS: &str = "agents";

/// Why a check could not be made.
#[derive(Debug, Error)]
enum CheckError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Closure(#[from] ClosureError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    let mut findings = vec![
        database(host).await,
        container_roots(host),
        closure(host).await.unwrap_or_else(|error| Finding::unknown(CLOSURE, &error)),
    ];
    findings.extend(leftovers(host).await.unwrap_or_else(|error| vec![Finding::unknown(LEFTOVERS, &error)]));
    findings.extend(agents(host).await.unwrap_or_else(|error| vec![Finding::unknown(AGENTS, &error)]));
    findings
}

async fn database(host: &Host) -> Finding {
    match host.state.verify().await {
        Ok(()) => Finding::ok(DATABASE, "the state database is whole"),
        Err(error) => Finding::unknown(DATABASE, &error),
    }
}

/// With idmapped mounts a set-uid file inside is a set-uid root file on the
/// host, so nobody but root may get below.
fn container_roots(host: &Host) -> Finding {
    for path in host.layout.writable_from_inside() {
        match fs::symlink_metadata(&path) {
            Ok(folder) if folder.is_dir() && folder.uid() == 0 && folder.mode() & 0o7777 == 0o700 => {}
            Ok(_) => {
                return Finding::error(
                    ROOTS,
                    format!("`{}` is open to others than root", path.display()),
                    format!("`chown root: {0} && chmod 0700 {0}`", path.display()),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Finding::unknown(ROOTS, &error),
        }
    }
    Finding::ok(ROOTS, "only root can look into the folders that containers write to")
}

async fn closure(host: &Host) -> Result<Finding, CheckError> {
    let Some(closure) = host.state.current_closure(Kind::Agent).await? else {
        return Ok(Finding::warning(
            CLOSURE,
            "no system was built yet: the first `agent create` will",
            "run `agent build`",
        ));
    };
    let root = host.layout.gc_root(closure.id.get());
    let system = &closure.system;
    let is_valid = host.tools.nix.is_valid(system).await.map_err(ClosureError::from)?;
    Ok(if !is_valid {
        Finding::error(CLOSURE, format!("{system} is gone from the store"), "run `agent build`")
    } else if fs::read_link(&root).is_ok_and(|target| target == system.as_path()) {
        Finding::ok(CLOSURE, format!("{system} is in the store and pinned"))
    } else {
        Finding::error(
            CLOSURE,
            format!("{system} is not pinned by `{}`", root.display()),
            "run `agent build`",
        )
    })
}

async fn leftovers(host: &Host) -> Result<Vec<Finding>, CheckError> {
    let inventory = Inventory::of(host).await?;
    let mut findings = Vec::new();
    for container in reconcile::without_record(host, &inventory).await? {
        let things = inventory.things_of(container).join(", ");
        findings.push(Finding::fixable(
            LEFTOVERS,
            format!("{container} has {things}, and no record explains it"),
        ));
    }
    for root in closures::roots_without_record(host).await? {
        findings.push(Finding::fixable(
            LEFTOVERS,
            format!("no record explains the garbage-collector root `{root}`"),
        ));
    }
    for lock in host.locks.stale()? {
        findings.push(Finding::fixable(
            LEFTOVERS,
            format!("the lock `{}` is a dead process's", lock.path.display()),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(LEFTOVERS, "the host has nothing that no record explains"));
    }
    Ok(findings)
}

async fn agents(host: &Host) -> Result<Vec<Finding>, CheckError> {
    let mut findings = Vec::new();
    let records = host.state.berths(Some(Kind::Agent)).await?;
    for record in records.iter().filter(|record| record.is_half_way()) {
        if reconcile::is_free(host, record.container)? {
            let state = if record.phase.is_half_way() { record.phase.as_str() } else { "to be removed" };
            let message = format!("the agent `{}` is {state} and nobody works on it", record.name);
            findings.push(Finding::fixable(AGENTS, message));
        }
    }
    for record in reconcile::down(host).await? {
        findings
            .push(Finding::fixable(AGENTS, format!("the agent `{}` should run and does not", record.name)));
    }
    for record in reconcile::up(host).await? {
        let message = format!("the agent `{}` should be stopped and runs", record.name);
        findings.push(Finding::fixable(AGENTS, message));
    }
    for record in host.state.expired(Kind::Agent, (host.now)()).await? {
        findings.push(Finding::warning(
            AGENTS,
            format!("the agent `{}` has outlived its time", record.name),
            "run `agent expire`, and see that its timer is enabled",
        ));
    }
    for record in records.iter().filter(|r| host.config.subnet.addresses(r.container.slot()).is_none()) {
        findings.push(Finding::error(
            AGENTS,
            format!("the agent `{}` lies outside the configured `subnet`", record.name),
            format!("configure the old subnet again or run `agent destroy {}`", record.name),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(AGENTS, format!("{} agents are as they should be", records.len())));
    }
    Ok(findings)
}
