//! Stopping a unit that nobody waits for any more.

use std::thread;
use std::time::Duration;

use berth_core::ContainerName;

use crate::exec::Invocation;

/// What systemctl needs to take a stop, without waiting for its end.
const QUESTION: Duration = Duration::from_secs(30);

/// Stops a unit when it is dropped: systemd goes on with what its client asked
/// for, also when the client has gone.
pub(crate) struct StopWhenDropped(Option<Stop>);

#[derive(Clone)]
struct Stop {
    unit: String,
    /// Whose systemd runs it, if not the host's.
    container: Option<ContainerName>,
}

impl StopWhenDropped {
    /// A unit of the host.
    pub(crate) fn new(unit: String) -> Self {
        Self(Some(Stop { unit, container: None }))
    }

    /// A unit inside a container.
    pub(crate) fn inside(container: ContainerName, unit: String) -> Self {
        Self(Some(Stop { unit, container: Some(container) }))
    }

    /// The unit has ended by itself, or is meant to go on.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for StopWhenDropped {
    /// Waits until systemd has taken the stop, a few milliseconds: a stop that
    /// came later could hit the next start. A runtime of its own, as the one
    /// around may be going down.
    fn drop(&mut self) {
        let Some(stop) = self.0.take() else { return };
        let invocation = stop.invocation();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                // One that is not loaded has ended by itself.
                Ok(runtime) => {
                    runtime.block_on(invocation.run_any()).map(drop).map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            }
        };
        if let Ok(Err(error)) = thread::spawn(run).join() {
            tracing::warn!(unit = stop.unit, error, "an abandoned unit could not be stopped");
        }
    }
}

impl Stop {
    fn invocation(&self) -> Invocation {
        let mut stop = Invocation::new("systemctl");
        if let Some(container) = self.container {
            // A hostile guest never answers.
            stop = stop.args(["--machine", &container.to_string()]).ends_without_us();
        }
        stop.args(["stop", "--no-block", "--", &self.unit])
            .aim(format!("stop {}", self.unit))
            .deadline(QUESTION)
    }
}
