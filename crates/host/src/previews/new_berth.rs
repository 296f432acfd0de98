//! Making one more berth for a preview.

use berth_core::conf_file::{ContainerConf, NspawnFlag};
use berth_core::phase::Happening;
use berth_core::plan::{self, CreateRequest, Plan};
use berth_core::{Kind, Phase};

use super::deploy::{Failed, Target};
use super::{DeployError, told};
use crate::agents::{Actor, Detail, left_detail};
use crate::apply::{ApplyError, apply, apply_all};
use crate::boot_report;
use crate::firewall_table;
use crate::host::{Host, duration};
use crate::inventory;
use crate::lock::Lock;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, NewBerth, PreviewRecord, StateError};

/// Makes a berth for this preview and starts its container. What fails or is
/// interrupted is taken back, the berth's record included; where something
/// stays, the record stays with it, so that the slot is not given away. The
/// preview's lock is held; the berth's own is returned with it.
pub(super) async fn make(
    host: &Host,
    record: &PreviewRecord,
    target: &Target,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(BerthRecord, Lock), Failed> {
    let (berth, lock) = reserve(host, record, target, by).await?;
    let plan = match plan(host, record, &berth, target) {
        Ok(plan) => plan,
        Err(error) => {
            remove_record(host, &berth, berth.phase, None).await?;
            return Err(error.into());
        }
    };
    if let Err(error) = apply(host, &plan, progress, interrupt).await {
        return Err(take_back(host, &berth, &plan, error, progress).await);
    }
    host.state.advance(berth.id, Phase::Creating, Happening::Started, None).await?;
    Ok((BerthRecord { phase: Phase::Running, ..berth }, lock))
}

async fn reserve(
    host: &Host,
    record: &PreviewRecord,
    target: &Target,
    by: &Actor,
) -> Result<(BerthRecord, Lock), DeployError> {
    let new = NewBerth {
        kind: Kind::Preview,
        name: record.slug.clone(),
        closure: target.closure.id,
        limits: record.limits,
        created_by: by.to_string(),
        created_at: (host.now)(),
        expires_at: None,
        preview: Some(record.id),
        reaches_database: target.environment.has_database,
        gpu: target.gpu.clone(),
    };
    let reserved = host.state.reserve(new, host.config.subnet).await;
    let berth = reserved.map_err(|error| match error {
        StateError::SubnetExhausted { subnet, taken } => DeployError::Full { subnet, taken },
        other => DeployError::State(other),
    })?;
    // A reconcile may be removing what the slot's last container left.
    let patience = duration(host.config.deadlines.boot) + duration(host.config.deadlines.stop);
    let lock = match host.locks.lock(berth.container, "deploy a preview", patience).await {
        Ok(lock) => lock,
        Err(error) => {
            remove_record(host, &berth, Phase::Reserved, None).await?;
            return Err(error.into());
        }
    };
    host.state.advance(berth.id, Phase::Reserved, Happening::CreateBegan, None).await?;
    Ok((BerthRecord { phase: Phase::Creating, ..berth }, lock))
}

fn plan(
    host: &Host,
    record: &PreviewRecord,
    berth: &BerthRecord,
    target: &Target,
) -> Result<Plan, DeployError> {
    let slot = berth.container.slot();
    let subnet = host.config.subnet;
    let addresses = subnet.addresses(slot).ok_or(DeployError::NoAddress { slot: slot.get(), subnet })?;
    let conf = ContainerConf {
        addresses,
        system: berth.system.clone(),
        ownership: host.config.ownership,
        flags: flags(host, record),
    };
    let request = CreateRequest {
        container: berth.container,
        conf,
        preparation: told::preparation(record, target.environment.clone()),
        limits: berth.limits,
        gpu: berth.gpu.clone(),
        wait: false,
    };
    Ok(plan::create(request, inventory::has_traces(host, berth.container)?))
}

/// The resolver, and the preview's own repository: read-only, its files owned
/// by the container's root.
fn flags(host: &Host, record: &PreviewRecord) -> Vec<NspawnFlag> {
    let resolv_conf = NspawnFlag::bind_read_only(&host.layout.guest_resolv_conf(), "/etc/resolv.conf");
    let source = told::bound(&host.layout, record).map(|path| NspawnFlag::bind_root_owned(&path));
    let flags = std::iter::once(resolv_conf).chain(source);
    flags.map(|flag| flag.expect("the layout's own paths are plain")).collect()
}

/// Undoes what a failed or interrupted plan did, newest step first.
async fn take_back(
    host: &Host,
    berth: &BerthRecord,
    plan: &Plan,
    error: ApplyError,
    progress: &dyn Progress,
) -> Failed {
    let mut details = boot_report::details(host, berth.container, plan, &error).await;
    let left = apply_all(host, &plan.undo(error.begun()), progress).await;
    let left = (!left.is_empty()).then(|| left_detail(&left));
    let reason = left.as_ref().map(|left| left.lines.join("; "));
    if let Err(error) = remove_record(host, berth, berth.phase, reason.as_deref()).await {
        tracing::error!(container = %berth.container, %error, "the record of a berth is for the next repair");
    }
    details.extend(left);
    Failed { source: error.into(), details }
}

/// Removes the record of a berth, unless something of it stayed.
async fn remove_record(
    host: &Host,
    berth: &BerthRecord,
    from: Phase,
    left: Option<&str>,
) -> Result<(), StateError> {
    host.state.advance(berth.id, from, Happening::DestroyBegan, left).await?;
    if left.is_some() { Ok(()) } else { host.state.remove(berth.id).await }
}

/// Removes a berth with its container and its record. Its lock is taken here.
pub(super) async fn remove(host: &Host, berth: &BerthRecord, progress: &dyn Progress) -> Vec<String> {
    match remove_all(host, berth, progress).await {
        Ok(left) => left,
        Err(error) => vec![crate::agents::chain(&error)],
    }
}

async fn remove_all(
    host: &Host,
    berth: &BerthRecord,
    progress: &dyn Progress,
) -> Result<Vec<String>, DeployError> {
    let patience = duration(host.config.deadlines.boot) + duration(host.config.deadlines.stop);
    let _lock = host.locks.lock(berth.container, "remove a berth", patience).await?;
    remove_locked(host, berth, progress).await
}

/// The same for who holds its lock.
pub(super) async fn remove_locked(
    host: &Host,
    berth: &BerthRecord,
    progress: &dyn Progress,
) -> Result<Vec<String>, DeployError> {
    let Some(now) = host.state.berth_in(berth.container).await?.filter(|now| now.id == berth.id) else {
        return Ok(Vec::new());
    };
    host.state.advance(now.id, now.phase, Happening::DestroyBegan, None).await?;
    let left =
        crate::agents::clear(host, firewall_table::pin_of_removed(host, now.container), progress).await;
    if left.is_empty() {
        host.state.remove(now.id).await?;
        return Ok(Vec::new());
    }
    let Detail { lines, .. } = left_detail(&left);
    let reason = lines.join("; ");
    host.state.advance(now.id, Phase::Destroying, Happening::DestroyBegan, Some(&reason)).await?;
    Ok(lines)
}
