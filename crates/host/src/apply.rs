//! Applying plans: step by step, and back again.
//!
//! Every step can be repeated. A step that is dropped half-way (Ctrl-C, a
//! deadline) counts as begun, so its undo runs too.

use berth_core::plan::{Plan, Step};
use thiserror::Error;

use crate::await_login::{self, WaitError};
use crate::containers::ContainersError;
use crate::firewall_table::{self, TableError};
use crate::forget::{self, ForgetError};
use crate::gpu::{self, GpuError};
use crate::host::{Host, duration};
use crate::prepare::{self, PrepareError};
use crate::progress::{Interrupt, Progress};
use crate::systemd::SystemdError;

/// Why a step came to nothing.
#[derive(Debug, Error)]
pub enum StepError {
    /// nixos-container, or the files around a container.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The firewall.
    #[error(transparent)]
    Firewall(#[from] TableError),
    /// The files that Berth puts into a container.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Waiting for the first login.
    #[error(transparent)]
    Login(#[from] WaitError),
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// Traces of a container outside its root.
    #[error(transparent)]
    Forget(#[from] ForgetError),
}

/// A plan that was not applied to its end.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A step failed.
    #[error("could not {step}")]
    Step {
        /// The step, in words.
        step: String,
        /// Its place in the plan.
        index: usize,
        /// Why.
        source: Box<StepError>,
    },
    /// Somebody interrupted it.
    #[error("interrupted before it could {step}")]
    Interrupted {
        /// The step under way, in words.
        step: String,
        /// Its place in the plan.
        index: usize,
    },
}

impl ApplyError {
    /// How many steps had begun: those have to be undone.
    pub fn begun(&self) -> usize {
        match self {
            Self::Step { index, .. } | Self::Interrupted { index, .. } => index + 1,
        }
    }
}

/// Applies a plan, and stops at the first failure or interrupt.
pub async fn apply(
    host: &Host,
    plan: &Plan,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), ApplyError> {
    for (index, step) in plan.steps.iter().enumerate() {
        let interrupted = || ApplyError::Interrupted { step: step.to_string(), index };
        if interrupt.is_interrupted() {
            return Err(interrupted());
        }
        progress.step(&step.to_string());
        let outcome = tokio::select! {
            () = unless_it_must_end(step, interrupt) => return Err(interrupted()),
            outcome = apply_step(host, step) => outcome,
        };
        outcome.map_err(|source| ApplyError::Step {
            step: step.to_string(),
            index,
            source: Box::new(source),
        })?;
    }
    Ok(())
}

/// Ends when the step may be dropped because of an interrupt.
///
/// File work goes on in its thread when it is dropped, and systemd in process 1
/// finishes what its dead client asked for: an undo that did not wait for them
/// would come too early. These are short; what may last can be dropped.
async fn unless_it_must_end(step: &Step, interrupt: &Interrupt) {
    match step {
        Step::Prepare(..) | Step::Remove(_) | Step::Limit(..) | Step::AllowGpu(..) | Step::Unlimit(_) => {
            std::future::pending::<()>().await;
        }
        Step::Pin(_)
        | Step::Unpin(_)
        | Step::OpenDatabase(_)
        | Step::Create(..)
        | Step::Start(_)
        | Step::Stop(_)
        | Step::AwaitLogin(_)
        | Step::Forget(_) => interrupt.interrupted().await,
    }
}

/// A step of an undo or a removal that failed, in words and with its reason.
#[derive(Debug, Error)]
#[error("could not {step}")]
pub struct LeftBehind {
    /// The step, in words.
    pub step: String,
    /// Why.
    pub source: Box<StepError>,
}

/// Applies every step, whatever fails on the way, and tells all that failed.
/// For undoing and removing: stopping half-way would leave more behind.
pub async fn apply_all(host: &Host, plan: &Plan, progress: &dyn Progress) -> Vec<LeftBehind> {
    let mut left = Vec::new();
    for step in &plan.steps {
        progress.step(&step.to_string());
        if let Err(source) = apply_step(host, step).await {
            tracing::warn!(%step, %source, "a step of a removal failed");
            left.push(LeftBehind { step: step.to_string(), source: Box::new(source) });
            if matches!(step, Step::Stop(_)) {
                // Files under a living unit come back; nothing else is safe.
                break;
            }
        }
    }
    left
}

async fn apply_step(host: &Host, step: &Step) -> Result<(), StepError> {
    let tools = &host.tools;
    let deadlines = &host.config.deadlines;
    match step {
        Step::Pin(pin) => firewall_table::pin(host, *pin).await?,
        Step::Unpin(pin) => firewall_table::unpin(host, *pin).await?,
        Step::OpenDatabase(pin) => firewall_table::open_database(host, *pin).await?,
        Step::Create(name, conf) => tools.containers.create(*name, conf).await?,
        Step::Prepare(name, preparation) => prepare::apply(host, *name, preparation).await?,
        Step::Limit(name, limits) => tools.systemd.set_limits(*name, limits).await?,
        Step::AllowGpu(name, gpu) => {
            gpu::check(&host.layout, gpu)?;
            tools.systemd.allow_gpu(*name, gpu).await?;
        }
        Step::Unlimit(name) => tools.systemd.revert(*name).await?,
        Step::Start(name) => {
            forget::clear_killed_nspawn(&host.layout, *name)?;
            tools.systemd.start(*name, duration(deadlines.boot)).await?;
        }
        Step::Stop(name) => tools.systemd.stop(*name, duration(deadlines.stop)).await?,
        Step::AwaitLogin(name) => await_login::apply(host, *name).await?,
        Step::Remove(name) => tools.containers.remove(*name).await?,
        Step::Forget(name) => forget::apply(&host.layout, *name)?,
    }
    Ok(())
}
