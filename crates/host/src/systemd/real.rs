//! The real systemd, through systemctl.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use berth_core::{ContainerName, Gpu, Layout, Limits, UnitState};

use super::{Systemd, SystemdError, journal, limits, units};
use crate::exec::{ExecError, Exit, Invocation, Output};
use crate::stop_when_dropped::StopWhenDropped;

/// What systemctl answers when it only looks or writes something down.
const QUESTION: Duration = Duration::from_secs(30);
/// How long a unit may take to be gone once all its processes are killed.
const DEATH: Duration = Duration::from_secs(20);

/// The units of this host.
pub struct SystemdUnits {
    layout: Layout,
}

impl SystemdUnits {
    /// Those whose properties lie in this layout.
    pub fn new(layout: &Layout) -> Self {
        Self { layout: layout.clone() }
    }
}

#[async_trait]
impl Systemd for SystemdUnits {
    async fn unit_states(&self) -> Result<BTreeMap<ContainerName, UnitState>, SystemdError> {
        let output = list_invocation().run().await.map_err(SystemdError::List)?;
        units::parse(output.whole_stdout().map_err(SystemdError::List)?)
    }

    async fn restarted(&self) -> Result<BTreeSet<ContainerName>, SystemdError> {
        let output = restarts_invocation().run().await.map_err(SystemdError::List)?;
        Ok(units::restarted(&output.stdout.text()))
    }

    async fn start(&self, name: ContainerName, deadline: Duration) -> Result<(), SystemdError> {
        let dropped = StopWhenDropped::new(name.unit());
        let started = start_invocation(name, deadline).run().await;
        dropped.disarm();
        match started {
            Ok(_) => Ok(()),
            Err(ExecError::Deadline { .. }) => {
                kill(name).await?;
                Err(SystemdError::NotUp { container: name, after: deadline })
            }
            Err(error) => Err(SystemdError::Start(error)),
        }
    }

    /// Two processes when nothing resists, loaded or not: a look first would
    /// cost a third.
    async fn stop(&self, name: ContainerName, patience: Duration) -> Result<(), SystemdError> {
        match stop_invocation(name, patience).run_any().await.and_then(unless_unloaded) {
            Ok(_) => {}
            Err(ExecError::Deadline { .. }) => kill(name).await?,
            Err(error) => return Err(SystemdError::Stop(error)),
        }
        let reset = reset_invocation(name).run_any().await.and_then(unless_unloaded);
        reset.map(drop).map_err(SystemdError::ResetFailed)
    }

    async fn set_limits(&self, name: ContainerName, limits: &Limits) -> Result<(), SystemdError> {
        limits_invocation(name, limits).run().await.map(drop).map_err(SystemdError::SetLimits)
    }

    async fn allow_gpu(&self, name: ContainerName, gpu: &Gpu) -> Result<(), SystemdError> {
        gpu_invocation(name, gpu).run().await.map(drop).map_err(SystemdError::AllowGpu)
    }

    async fn revert(&self, name: ContainerName) -> Result<(), SystemdError> {
        limits::remove(&self.layout, name)
    }

    fn limited(&self) -> Result<BTreeSet<ContainerName>, SystemdError> {
        limits::list(&self.layout)
    }

    async fn unit_log(&self, name: ContainerName, lines: u32) -> Result<String, SystemdError> {
        // What a unit has just said is not in the journal at once. Without it
        // the log is shorter, which is no reason to have none.
        let _ = sync_invocation().run().await;
        let output = journal_invocation(name, lines).run().await.map_err(SystemdError::Journal)?;
        Ok(journal::latest_start(&output.stdout.text()))
    }
}

/// Kills all that is in the unit and waits until it is gone. The whole control
/// group: nothing of a container lives outside it.
async fn kill(name: ContainerName) -> Result<(), SystemdError> {
    // The stop comes first, or a killed unit restarts.
    let stop = || stop_invocation(name, QUESTION).arg("--no-block");
    stop().run_any().await.and_then(unless_unloaded).map_err(SystemdError::Stop)?;
    // It may have gone by itself at this moment: what counts is the wait.
    let _ = kill_invocation(name).run().await;
    match stop_invocation(name, DEATH).run_any().await.and_then(unless_unloaded) {
        Ok(_) => Ok(()),
        Err(source @ ExecError::Deadline { after, .. }) => {
            Err(SystemdError::Undead { container: name, after, source })
        }
        Err(error) => Err(SystemdError::Stop(error)),
    }
}

/// Takes "not loaded" for success: nothing runs, nothing is remembered. There
/// is no exit code for it in `reset-failed`.
fn unless_unloaded(output: Output) -> Result<Output, ExecError> {
    let is_unloaded = output.exit != Exit::Code(0) && output.stderr.text().contains(" not loaded.");
    if is_unloaded { Ok(output) } else { output.success() }
}

fn systemctl(verb: &str) -> Invocation {
    Invocation::new("systemctl").arg(verb).deadline(QUESTION)
}

fn list_invocation() -> Invocation {
    // A line of it is about 130 bytes; 32,512 berths fit.
    systemctl("list-units")
        .args(["--all", "--output=json", "container@*.service"])
        .keep(16 << 20)
        .aim("list the containers' units")
}

fn restarts_invocation() -> Invocation {
    systemctl("show")
        .args(["--property=Id", "--property=NRestarts", "container@*.service"])
        .keep(16 << 20)
        .aim("ask which containers restarted by themselves")
}

fn start_invocation(name: ContainerName, deadline: Duration) -> Invocation {
    systemctl("start").arg(name.unit()).deadline(deadline).aim(format!("start container {name}"))
}

fn stop_invocation(name: ContainerName, deadline: Duration) -> Invocation {
    systemctl("stop").arg(name.unit()).deadline(deadline).aim(format!("stop container {name}"))
}

fn kill_invocation(name: ContainerName) -> Invocation {
    systemctl("kill")
        .args(["--signal=KILL", "--kill-whom=all", &name.unit()])
        .aim(format!("kill what runs in {name}"))
}

fn reset_invocation(name: ContainerName) -> Invocation {
    systemctl("reset-failed").arg(name.unit()).aim(format!("reset the start counter of {name}"))
}

fn limits_invocation(name: ContainerName, limits: &Limits) -> Invocation {
    systemctl("set-property")
        .arg(name.unit())
        .args(limits.properties())
        .aim(format!("limit container {name}"))
}

/// systemd adds to the unit's list of devices what is not in it yet, so that a
/// second time changes nothing.
fn gpu_invocation(name: ContainerName, gpu: &Gpu) -> Invocation {
    systemctl("set-property")
        .arg(name.unit())
        .args(gpu.properties())
        .aim(format!("let container {name} use the GPU"))
}

fn sync_invocation() -> Invocation {
    Invocation::new("journalctl").arg("--sync").aim("complete the journal").deadline(QUESTION)
}

/// `--unit` asks for the lines of process 1 about a unit and for those from
/// within it. What a child of process 1 says of a program that it cannot start
/// is of neither when the child has ended before journald looks at it.
fn journal_invocation(name: ContainerName, lines: u32) -> Invocation {
    let unit = name.unit();
    Invocation::new("journalctl")
        .args(["--lines", &lines.to_string(), "--no-pager", "--quiet"])
        .args(["--output=json", "--output-fields=MESSAGE,INVOCATION_ID,_SYSTEMD_INVOCATION_ID"])
        .args(["_UID=0", &format!("UNIT={unit}"), "+", &format!("_SYSTEMD_UNIT={unit}")])
        .aim(format!("read the log of container {name}"))
        .deadline(QUESTION)
}
