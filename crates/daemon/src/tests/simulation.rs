//! Deliveries out of order, twice or never, and a daemon that is killed all the
//! while: with real records, a real spool and real tasks.
//!
//! A life of the daemon is a runtime of its own; a kill drops that, with all
//! that is under way. `BERTH_SCHEDULES` asks for more schedules,
//! `BERTH_DELIVERIES` for longer ones, `BERTH_SEED` for one. The rules alone
//! are tried in far more schedules in `berth_core::lane`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use berth_core::lane::SiteState;
use berth_core::policy::PullState::{self, Closed, Open};

use super::bed::{Bed, Daemon, commit, grace};
use crate::deploy::WayOut;

const PULLS: u32 = 20;

/// xorshift64*, so that a seed is a schedule as far as the tasks allow.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        u32::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("31 bits") % end
    }
}

struct Story {
    bed: Bed,
    random: Random,
    pulls: BTreeMap<u32, (u32, PullState)>,
    heads: u32,
    ids: u32,
    /// What GitHub has sent and nobody has received yet.
    in_flight: Vec<(u32, u32, Option<String>)>,
    /// What was answered with 202.
    stored: BTreeSet<u32>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let bed = Bed::new();
        bed.sites.take(Duration::from_millis(1));
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (pulls, in_flight) = (BTreeMap::new(), Vec::new());
        Self { bed, random, pulls, heads: 0, ids: 0, in_flight, stored: BTreeSet::new() }
    }

    /// Something happens on GitHub, and a delivery of it goes out: or none.
    fn happens(&mut self) {
        let pull = 1 + self.random.below(PULLS);
        self.heads += 1;
        let fresh = self.heads;
        let (head, state) = self.pulls.entry(pull).or_insert((fresh, Open));
        let mut command = None;
        match self.random.below(8) {
            0 | 1 => *state = Closed,
            2 => *state = Open,
            3 => command = Some(format!("/preview {}", commit(*head))),
            4 => command = Some("/preview rebuild".to_owned()),
            _ => *head = fresh,
        }
        let (head, state) = (*head, *state);
        self.bed.pull(pull, head, state);
        self.ids += 1;
        if self.random.below(10) == 0 {
            return;
        }
        if self.random.below(10) == 0 {
            self.in_flight.push((self.ids, pull, command.clone()));
        }
        self.in_flight.push((self.ids, pull, command));
    }

    fn arrives(&mut self) {
        let count = u32::try_from(self.in_flight.len()).expect("few");
        if count == 0 {
            return;
        }
        let index = self.random.below(count);
        let (id, pull, command) = self.in_flight.swap_remove(usize::try_from(index).expect("small"));
        match command {
            Some(text) => self.bed.stores_comment(id, pull, grace().as_str(), &text),
            None => self.bed.stores_change(id, pull),
        }
        self.stored.insert(id);
    }

    /// What goes on around a daemon until it is killed.
    async fn goes_on(&mut self, daemon: &Daemon, deliveries: u32) {
        let until = (self.ids + 1 + self.random.below(60)).min(deliveries);
        while self.ids < until {
            match self.random.below(20) {
                0..6 => self.happens(),
                6..12 => self.arrives(),
                12..14 => drop(daemon.intake.pass().await),
                14 => self.bed.sites.fail_next(WayOut::Retry),
                15 => {
                    let call = ["github.pull", "github.put_comment", "github.set_deployment"];
                    self.bed.world.fail_next(call[usize::try_from(self.random.below(3)).expect("small")]);
                }
                16 if self.random.below(4) == 0 => drop(daemon.compares().await),
                _ => {
                    let pause = u64::from(self.random.below(1500));
                    tokio::time::sleep(Duration::from_micros(pause)).await;
                }
            }
        }
    }

    /// The kills have ended: within a bound all is as it should be.
    async fn comes_to_rest(&mut self, daemon: &Daemon) {
        while !self.in_flight.is_empty() {
            self.arrives();
        }
        self.bed.world.clear_faults();
        daemon.intake.pass().await.expect("taken");
        for _ in 0..20 {
            daemon.until_quiet().await;
            if daemon.compares().await == 0 {
                return;
            }
        }
        panic!("comparisons find something again and again");
    }

    async fn assert_right(&self, daemon: &Daemon) {
        for (pull, (head, state)) in &self.pulls {
            let site = self.bed.sites.site(*pull);
            match state {
                Closed => assert_eq!(site, None, "pull request {pull} is closed"),
                Open if pull.is_multiple_of(4) => {
                    assert!(site.is_none_or(|site| !site.is_trusted), "pull request {pull} is a stranger's");
                }
                Open => {
                    let site = site.unwrap_or_else(|| panic!("pull request {pull} has nothing"));
                    let is = (site.state, site.commit);
                    assert_eq!(is, (SiteState::Serves, Some(commit(*head))), "of pull request {pull}");
                    let text = self.bed.comment(*pull).unwrap_or_default();
                    let is_told = text.contains("Preview: ready") && text.contains(commit(*head).short());
                    assert!(is_told, "of pull request {pull}: {text}");
                }
            }
        }
        for id in &self.stored {
            let delivery = format!("d-{id}").parse().expect("an id");
            let outcome = daemon.state.delivery_outcome(&delivery).await.expect("read");
            assert!(outcome.is_some(), "delivery {id} got a 202 and is not accounted for");
        }
        assert_eq!(std::fs::read_dir(self.bed.spool()).expect("listed").count(), 0);
    }
}

/// Runs something on a runtime of its own, and drops that with all tasks.
fn life<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}

fn plays(seed: u64, deliveries: u32) {
    let mut story = Story::new(seed);
    while story.ids < deliveries {
        life(async {
            let daemon = story.bed.daemon().await;
            tokio::select! {
                biased;
                () = story.goes_on(&daemon, deliveries) => {}
                () = daemon.works() => {}
            }
        });
    }
    life(async {
        let daemon = story.bed.daemon().await;
        tokio::select! {
            () = story.comes_to_rest(&daemon) => {}
            () = daemon.works() => {}
        }
        story.assert_right(&daemon).await;
    });
}

fn setting(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn after_any_kills_and_losses_each_open_pull_request_has_its_head_and_each_closed_one_nothing() {
    let deliveries = u32::try_from(setting("BERTH_DELIVERIES").unwrap_or(150)).expect("few deliveries");
    let first = setting("BERTH_SEED").unwrap_or(1);
    let schedules = if setting("BERTH_SEED").is_some() { 1 } else { setting("BERTH_SCHEDULES").unwrap_or(8) };
    for seed in first..first + schedules {
        let outcome = std::panic::catch_unwind(|| plays(seed, deliveries));
        assert!(outcome.is_ok(), "with BERTH_SEED={seed} BERTH_DELIVERIES={deliveries}");
    }
}
