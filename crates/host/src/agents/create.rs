//! Making an agent.

use berth_core::conf_file::{ContainerConf, NspawnFlag};
use berth_core::phase::Happening;
use berth_core::plan::{self, CreateRequest, Plan};
use berth_core::{ContainerName, Gpu, Kind, Limits, Name, Phase, Slot, StorePath, Ttl};

use super::error::{chain, left_detail};
use super::{Actor, AgentError, Detail, find, lock, note, preparation};
use crate::apply::{ApplyError, apply, apply_all};
use crate::boot_report;
use crate::closures;
use crate::gpu::{self, GpuError};
use crate::host::Host;
use crate::inventory;
use crate::lock::Lock;
use crate::progress::{Interrupt, Progress, Silent};
use crate::state::{BerthRecord, NewBerth, Outcome, StateError};

/// How often a reservation is tried again that a reconcile took back in the
/// moment before it was locked.
const RESERVATIONS: usize = 5;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The new agent's name.
    pub name: Name,
    /// How long it lives; as configured if nothing.
    pub ttl: Option<Ttl>,
    /// What it may use.
    pub limits: Limits,
    /// Whether it gets the host's GPU.
    pub gpu: bool,
    /// Whether to wait until a login succeeds.
    pub wait: bool,
}

/// Makes an agent from the recorded closure. If that fails or is interrupted,
/// everything is taken back, the record included.
pub async fn create(
    host: &Host,
    options: CreateOptions,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<BerthRecord, AgentError> {
    if host.state.berth_named(Kind::Agent, &options.name).await?.is_some() {
        return Err(AgentError::Exists { name: options.name });
    }
    let gpu = gpu_for(host, &options)?;
    let (record, _lock) = reserve(host, &options, gpu, by, progress, interrupt).await?;
    note(host, by, &record, "create", Outcome::Began, None).await;
    let has_leftovers = match inventory::has_traces(host, record.container) {
        Ok(has_leftovers) => has_leftovers,
        Err(error) => {
            // Nothing is done to the host yet.
            remove_record(host, &record).await?;
            note(host, by, &record, "create", Outcome::Failed, Some(chain(&error))).await;
            return Err(error.into());
        }
    };
    let plan = plan::create(request(host, &record, options.wait), has_leftovers);
    match apply(host, &plan, progress, interrupt).await {
        Ok(()) => {
            host.state.advance(record.id, Phase::Creating, Happening::Started, None).await?;
            note(host, by, &record, "create", Outcome::Succeeded, None).await;
            find(host, &options.name).await
        }
        Err(error) => Err(take_back(host, &record, &plan, error, by, progress).await),
    }
}

/// The steps that a create would take now, for `--dry-run`. The berth is the
/// one that is free at the moment.
pub async fn plan_create(host: &Host, options: &CreateOptions) -> Result<Plan, AgentError> {
    if host.state.berth_named(Kind::Agent, &options.name).await?.is_some() {
        return Err(AgentError::Exists { name: options.name.clone() });
    }
    let mut taken: Vec<Slot> = host.state.berths(None).await?.iter().map(|r| r.container.slot()).collect();
    taken.sort_unstable();
    let subnet = host.config.subnet;
    let slot = Slot::lowest_free(subnet, &taken).ok_or(AgentError::Full { subnet, taken: taken.len() })?;
    let container = ContainerName::new(Kind::Agent, slot);
    let system = closures::recorded(host).await?;
    let has_leftovers = inventory::has_traces(host, container)?;
    let gpu = gpu_for(host, options)?;
    let request = request_for(host, container, &options.name, options.limits, gpu, system, options.wait);
    Ok(plan::create(request, has_leftovers))
}

/// The host's GPU, if it is asked for.
fn gpu_for(host: &Host, options: &CreateOptions) -> Result<Option<Gpu>, GpuError> {
    options.gpu.then(|| gpu::offered(host)).transpose()
}

/// A record in phase `creating` with its lock held.
///
/// Two things can come between and make another try worth it: the closure is
/// replaced and released before a berth uses it, and a reconcile takes the
/// record, not yet locked, for one that a killed process left.
async fn reserve(
    host: &Host,
    options: &CreateOptions,
    gpu: Option<Gpu>,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(BerthRecord, Lock), AgentError> {
    let created_at = (host.now)();
    let ttl = options.ttl.or(host.config.agent.ttl);
    let mut last = None;
    for _ in 0..RESERVATIONS {
        let closure =
            closures::agent_closure(host, progress, interrupt).await.map_err(AgentError::NoClosure)?;
        let new = NewBerth {
            kind: Kind::Agent,
            name: options.name.clone(),
            closure: closure.id,
            limits: options.limits,
            created_by: by.to_string(),
            created_at,
            expires_at: ttl.map(|ttl| ttl.end(created_at)),
            preview: None,
            reaches_database: false,
            gpu: gpu.clone(),
        };
        let record = match host.state.reserve(new, host.config.subnet).await {
            Ok(record) => record,
            Err(error @ StateError::ClosureGone { .. }) => {
                last = Some(error);
                continue;
            }
            Err(error) => return Err(refusal(error)),
        };
        let lock = match lock(host, record.container, "create").await {
            Ok(lock) => lock,
            Err(error) => {
                give_back(host, &record).await;
                return Err(error);
            }
        };
        match host.state.advance(record.id, Phase::Reserved, Happening::CreateBegan, None).await {
            Ok(_) => return Ok((record, lock)),
            Err(error @ (StateError::Changed { .. } | StateError::BerthGone { .. })) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.expect("the loop ran").into())
}

/// Gives back a name and a slot of which nothing is used yet. If that fails,
/// or somebody else has done so, there is nothing more to do: a reservation
/// that nobody has locked is removed by the next reconcile.
async fn give_back(host: &Host, record: &BerthRecord) {
    let removed = async {
        host.state.advance(record.id, Phase::Reserved, Happening::DestroyBegan, None).await?;
        host.state.remove(record.id).await
    };
    if let Err(error) = removed.await {
        tracing::warn!(name = %record.name, %error, "the reservation stays");
    }
}

fn refusal(error: StateError) -> AgentError {
    match error {
        StateError::NameTaken { name, .. } => AgentError::Exists { name },
        StateError::SubnetExhausted { subnet, taken } => AgentError::Full { subnet, taken },
        other => AgentError::State(other),
    }
}

fn request(host: &Host, record: &BerthRecord, wait: bool) -> CreateRequest {
    let BerthRecord { container, name, limits, gpu, system, .. } = record;
    request_for(host, *container, name, *limits, gpu.clone(), system.clone(), wait)
}

fn request_for(
    host: &Host,
    container: ContainerName,
    name: &Name,
    limits: Limits,
    gpu: Option<Gpu>,
    system: StorePath,
    wait: bool,
) -> CreateRequest {
    let addresses = host.config.subnet.addresses(container.slot()).expect("a slot is taken from the subnet");
    let resolv_conf = NspawnFlag::bind_read_only(&host.layout.guest_resolv_conf(), "/etc/resolv.conf")
        .expect("the layout's own paths are plain");
    CreateRequest {
        container,
        conf: ContainerConf { addresses, system, ownership: host.config.ownership, flags: vec![resolv_conf] },
        preparation: preparation(host, name),
        limits,
        gpu,
        wait,
    }
}

/// Undoes a create that failed, newest step first, and removes its record. If
/// something stays, so does the record, for `agent doctor --fix`.
async fn take_back(
    host: &Host,
    record: &BerthRecord,
    plan: &Plan,
    error: ApplyError,
    by: &Actor,
    progress: &dyn Progress,
) -> AgentError {
    let mut details = boot_report::details(host, record.container, plan, &error).await;
    // From here on nobody loads its pin again.
    let begun = host.state.advance(record.id, Phase::Creating, Happening::DestroyBegan, None).await;
    let undo = plan.undo(error.begun());
    let left = apply_all(host, &undo, progress).await;
    if left.is_empty() {
        let removed = match begun {
            Ok(_) => drop_record(host, record).await,
            Err(error) => Err(error),
        };
        let lines = undo.steps.iter().map(ToString::to_string).collect();
        details.push(Detail { title: "taken back".to_owned(), lines });
        if let Err(error) = removed {
            details.push(Detail { title: "the record stays".to_owned(), lines: vec![error.to_string()] });
        }
    } else {
        details.push(left_detail(&left));
        let way_out = "run `agent doctor --fix` when it is mended".to_owned();
        details.push(Detail { title: "what to do".to_owned(), lines: vec![way_out] });
    }
    let reason = chain(&error);
    note(host, by, record, "create", Outcome::Failed, Some(reason)).await;
    AgentError::Create { name: record.name.clone(), source: error, details }
}

/// Removes the record of a create that has done nothing to the host yet.
async fn remove_record(host: &Host, record: &BerthRecord) -> Result<(), StateError> {
    host.state.advance(record.id, Phase::Creating, Happening::DestroyBegan, None).await?;
    drop_record(host, record).await
}

async fn drop_record(host: &Host, record: &BerthRecord) -> Result<(), StateError> {
    host.state.remove(record.id).await?;
    closures::release_unused(host, &Silent).await;
    Ok(())
}
