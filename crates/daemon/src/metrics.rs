//! What can be counted, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::intake::Pass;
use crate::lanes::Lanes;

type Labels = [(&'static str, &'static str); 1];

/// The counters and gauges of the daemon.
pub struct Metrics {
    registry: Registry,
    lanes: Option<Arc<Lanes>>,
    deliveries: Family<Labels, Counter<u64, AtomicU64>>,
    rounds: Family<Labels, Gauge<i64, AtomicI64>>,
    waiting: Family<Labels, Gauge<i64, AtomicI64>>,
    failures: Family<Labels, Counter<u64, AtomicU64>>,
}

impl Metrics {
    /// Of a daemon that works on these lanes, if on any.
    pub fn new(lanes: Option<Arc<Lanes>>) -> Self {
        let mut registry = Registry::with_prefix("berthd");
        let (deliveries, rounds) = (Family::default(), Family::default());
        let (waiting, failures) = (Family::default(), Family::default());
        registry.register(
            "deliveries",
            "Files of the spool, by what became of them",
            Family::clone(&deliveries),
        );
        registry.register(
            "rounds",
            "Rounds of work on lanes since the start, by how they ended",
            Family::clone(&rounds),
        );
        registry.register("lanes", "Lanes with work, by state", Family::clone(&waiting));
        registry.register("loop_failures", "Passes of a loop that came to nothing", Family::clone(&failures));
        Self { registry, lanes, deliveries, rounds, waiting, failures }
    }

    /// A look into the spool.
    pub fn passed(&self, pass: Pass) {
        for (outcome, count) in [("taken", pass.taken), ("again", pass.again), ("refused", pass.refused)] {
            self.deliveries.get_or_create(&[("outcome", outcome)]).inc_by(count);
        }
    }

    /// A pass of a loop came to nothing.
    pub fn failed(&self, name: &'static str) {
        self.failures.get_or_create(&[("loop", name)]).inc();
    }

    /// All of it as text.
    pub async fn text(&self) -> String {
        if let Some(lanes) = &self.lanes {
            self.look(lanes).await;
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string");
        text
    }

    async fn look(&self, lanes: &Lanes) {
        for (end, count) in lanes.ended() {
            self.rounds.get_or_create(&[("end", end)]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if let Ok(dirty) = lanes.parts().state.dirty_lanes().await {
            let busy = lanes.doing().len();
            let dead = dirty.iter().filter(|record| record.lane.is_dead).count();
            let waiting = dirty.len().saturating_sub(busy + dead);
            for (state, count) in [("busy", busy), ("dead", dead), ("waiting", waiting)] {
                self.waiting.get_or_create(&[("state", state)]).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }
}
