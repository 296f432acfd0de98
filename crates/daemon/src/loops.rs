//! Loops that outlive their failures.

use std::sync::Arc;
use std::time::Duration;

use berth_host::progress::Interrupt;

use crate::beat::Beats;
use crate::metrics::Metrics;

/// The pause after a loop ended with a fault of its own.
const PAUSE: Duration = Duration::from_secs(1);

/// What every loop has.
#[derive(Clone)]
pub struct Loop {
    /// What it is called in logs and metrics.
    pub name: &'static str,
    /// One pass may take so long before systemd is not told any more that the
    /// daemon is alive.
    pub patience: Duration,
    /// Told of each pass.
    pub beats: Beats,
    /// Told of failures.
    pub metrics: Arc<Metrics>,
    /// Ends it.
    pub stop: Interrupt,
}

impl Loop {
    /// Marks that it goes on.
    pub fn beat(&self) {
        self.beats.beat(self.name, self.patience);
    }

    /// Does `pass` at once, then every `period` and when `nudged` ends, until
    /// stopped. What fails is told, and the next pass comes as ever.
    pub async fn every<P, N>(self, period: Duration, pass: impl Fn() -> P, nudged: impl Fn() -> N)
    where
        P: Future<Output = Result<(), String>>,
        N: Future<Output = ()>,
    {
        while !self.stop.is_interrupted() {
            self.beat();
            if let Err(error) = pass().await {
                self.metrics.failed(self.name);
                tracing::error!(r#loop = self.name, error, "a pass came to nothing");
            }
            self.beats.beat(self.name, self.patience + period);
            tokio::select! {
                () = self.stop.interrupted() => {}
                () = nudged() => {}
                () = tokio::time::sleep(period) => {}
            }
        }
    }

    /// Runs something until it ends by itself. A fault in it is told, and it
    /// begins anew.
    pub async fn keep<F>(self, run: impl Fn(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            match tokio::spawn(run(self.clone())).await {
                Ok(()) => return,
                Err(fault) => {
                    self.metrics.failed(self.name);
                    tracing::error!(r#loop = self.name, %fault, "a fault in berthd: it begins anew");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
