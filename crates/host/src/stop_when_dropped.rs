//! Stopping a unit that nobody waits for any more.

use std::thread;
use std::time::Duration;

use crate::exec::Invocation;

/// What systemctl needs to take a stop, without waiting for its end.
const QUESTION: Duration = Duration::from_secs(30);

/// Stops a unit when it is dropped: systemd goes on with what its client asked
/// for, also when the client has gone.
pub(crate) struct StopWhenDropped(Option<String>);

impl StopWhenDropped {
    pub(crate) fn new(unit: String) -> Self {
        Self(Some(unit))
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
        let Some(unit) = self.0.take() else { return };
        let stop_unit = unit.clone();
        let stop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let stop = Invocation::new("systemctl")
                .args(["stop", "--no-block", "--", &stop_unit])
                .aim(format!("stop {stop_unit}"))
                .deadline(QUESTION);
            match runtime {
                // One that is not loaded has ended by itself.
                Ok(runtime) => runtime.block_on(stop.run_any()).map(drop).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        };
        if let Ok(Err(error)) = thread::spawn(stop).join() {
            tracing::warn!(unit, error, "an abandoned unit could not be stopped");
        }
    }
}
