//! Making records and host equal, starting what should run, and removing what
//! has outlived its time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_host::Host;
use berth_host::agents::{self, Actor};
use berth_host::previews;
use berth_host::progress::{Interrupt, Silent};
use berth_host::reconcile::{Report, Starts, reconcile_with};
use berth_host::starts::{self, Down};
use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::chain;

/// The pauses after a start that failed double from the first to the second.
const PAUSES: [Duration; 2] = [Duration::from_secs(30), Duration::from_hours(1)];
/// GitHub redelivers what is at most three days old; by hand later too.
const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The upkeep of a host.
pub struct Upkeep {
    host: Arc<Host>,
    by: Actor,
    slots: Arc<Semaphore>,
    failures: Mutex<BTreeMap<String, Failure>>,
    /// Nothing is started before the firewall was looked at once.
    has_reconciled: AtomicBool,
    reconciled: Notify,
}

/// A start that failed.
#[derive(Clone, Copy, Debug)]
struct Failure {
    pause: Duration,
    until: Instant,
}

impl Upkeep {
    /// Of this host, with so many starts at once.
    pub fn new(host: Arc<Host>, by: Actor, starts: usize) -> Self {
        Self {
            host,
            by,
            slots: Arc::new(Semaphore::new(starts)),
            failures: Mutex::default(),
            has_reconciled: AtomicBool::new(false),
            reconciled: Notify::new(),
        }
    }

    /// Ends when records and host have been made equal.
    pub async fn reconciled(&self) {
        self.reconciled.notified().await;
    }

    /// Makes records and host equal, but starts nothing.
    pub async fn reconcile(&self, stop: &Interrupt) -> Result<(), String> {
        let report = reconcile_with(&self.host, &self.by, &Silent, stop, Starts::Later).await;
        let Report { done, left } = report.map_err(|error| chain(&error))?;
        for what in done {
            tracing::info!(what, "repaired");
        }
        for what in left {
            tracing::warn!(what, "could not be repaired");
        }
        self.has_reconciled.store(true, Ordering::Release);
        self.reconciled.notify_one();
        Ok(())
    }

    /// Starts what should run and does not: several at once, and what failed
    /// not before its pause is over.
    pub async fn start(&self, stop: &Interrupt) -> Result<(), String> {
        if !self.has_reconciled.load(Ordering::Acquire) {
            return Ok(());
        }
        let down = starts::down(&self.host).await.map_err(|error| chain(&error))?;
        let mut tasks = JoinSet::new();
        for down in self.due(down) {
            let (host, by, slots) = (Arc::clone(&self.host), self.by.clone(), Arc::clone(&self.slots));
            let stop = stop.clone();
            tasks.spawn(async move {
                let _slot = slots.acquire_owned().await;
                let outcome = if stop.is_interrupted() {
                    None
                } else {
                    Some(starts::start(&host, &down, &by, &Silent, &stop).await)
                };
                (down.to_string(), outcome)
            });
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((name, Some(outcome))) if !stop.is_interrupted() => self.note(name, outcome),
                Ok(_) => {}
                Err(fault) => tracing::error!(%fault, "a start ended with a fault in berthd"),
            }
        }
        Ok(())
    }

    fn due(&self, down: Vec<Down>) -> Vec<Down> {
        let mut failures = self.failures();
        let names: Vec<String> = down.iter().map(ToString::to_string).collect();
        // What runs now, or is gone, begins anew.
        failures.retain(|name, _| names.contains(name));
        let now = Instant::now();
        let is_due = |name: &String| failures.get(name).is_none_or(|failure| failure.until <= now);
        down.into_iter().zip(&names).filter(|(_, name)| is_due(name)).map(|(down, _)| down).collect()
    }

    fn note(&self, name: String, outcome: Result<(), String>) {
        let mut failures = self.failures();
        match outcome {
            Ok(()) => {
                failures.remove(&name);
                tracing::info!(name, "started");
            }
            Err(reason) => {
                let [first, longest] = PAUSES;
                let last = failures.get(&name).map(|failure| failure.pause);
                let pause = last.map_or(first, |last| longest.min(last * 2));
                tracing::warn!(name, reason, pause = pause.as_secs(), "could not be started");
                failures.insert(name, Failure { pause, until: Instant::now() + pause });
            }
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes agents and previews that have outlived their time, and forgets
    /// old deliveries. One that cannot be removed keeps no other.
    pub async fn expire(&self) -> Result<(), String> {
        let host = &self.host;
        let now = (host.now)();
        let mut problems = Vec::new();
        match agents::expire(host, &self.by, &Silent).await {
            Ok(outcomes) => tell("agent", outcomes),
            Err(error) => problems.push(chain(&error)),
        }
        match previews::expire(host, &self.by, &Silent).await {
            Ok(outcomes) => tell("preview", outcomes),
            Err(error) => problems.push(chain(&error)),
        }
        if let Err(error) = host.state.forget_deliveries(now - DELIVERIES_KEPT).await {
            problems.push(chain(&error));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

fn tell<E: std::error::Error + 'static>(
    kind: &str,
    outcomes: Vec<(berth_core::Name, Result<agents::Destroyed, E>)>,
) {
    for (name, outcome) in outcomes {
        match outcome {
            Ok(_) => tracing::info!(kind, %name, "its time was over: removed"),
            Err(error) => tracing::warn!(kind, %name, error = chain(&error), "its time is over"),
        }
    }
}
