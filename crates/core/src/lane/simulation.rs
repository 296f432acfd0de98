//! A thousand deliveries, out of order, twice or never, and a daemon that is
//! killed all the while: what comes of the rules for lanes alone.
//!
//! The world is a table of what survives a kill (GitHub, the spool, the rows,
//! the sites) and of what does not (the work under way). One seed is one
//! schedule; `BERTH_SCHEDULES` asks for more of them, `BERTH_SEED` for one.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::{at, commit, login, policy, pull};
use super::*;
use crate::policy::{Login, Origin, Permission, Policy, Pull, PullState, Verdict, decide};

const PULLS: usize = 20;
const DELIVERIES: u64 = 1000;
const WORKERS: usize = 4;

/// xorshift64*, so that a seed is a schedule for ever.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % end
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

#[derive(Clone)]
struct Delivery {
    id: u64,
    pull: usize,
    wish: Option<Wish>,
}

/// How far the work on a lane is. Between two of these anything may happen.
enum Work {
    /// It has read the lane and asks GitHub.
    Asking { generation: u64 },
    /// It deploys; the site was this before.
    Deploying { generation: u64, head: CommitSha, before: Option<Site>, is_trusted: bool },
    /// It removes.
    Removing { generation: u64 },
}

struct World {
    random: Random,
    policy: Policy,
    now: i64,
    // What survives a kill.
    pulls: Vec<Pull>,
    in_flight: Vec<Delivery>,
    spool: Vec<Delivery>,
    stored: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    lanes: Vec<Lane>,
    wishes: Vec<Vec<Wish>>,
    sites: Vec<Option<Site>>,
    // What does not.
    work: BTreeMap<usize, Work>,
    // What is counted.
    ids: u64,
    heads: u32,
    builds: Vec<usize>,
    approved: BTreeSet<(usize, CommitSha)>,
}

fn writer() -> Login {
    login("grace")
}

impl World {
    fn new(seed: u64) -> Self {
        let origin =
            |number: usize| if number.is_multiple_of(4) { Origin::DeletedFork } else { Origin::Branch };
        let number = |index: usize| u32::try_from(index + 1).expect("few pull requests");
        Self {
            random: Random::new(seed),
            policy: policy(),
            now: 0,
            pulls: (0..PULLS).map(|index| pull(number(index), number(index), origin(index))).collect(),
            in_flight: Vec::new(),
            spool: Vec::new(),
            stored: BTreeSet::new(),
            taken: BTreeSet::new(),
            lanes: vec![Lane::default(); PULLS],
            wishes: vec![Vec::new(); PULLS],
            sites: vec![None; PULLS],
            work: BTreeMap::new(),
            ids: 0,
            heads: 100,
            builds: vec![0; PULLS],
            approved: BTreeSet::new(),
        }
    }

    /// Something happens on GitHub, and a delivery of it goes out: or none.
    fn happens(&mut self) {
        let index = self.random.below(PULLS);
        let what = self.random.below(10);
        let pull = &mut self.pulls[index];
        let mut wish = None;
        match what {
            0 | 1 => pull.state = PullState::Closed,
            2 | 3 => pull.state = PullState::Open,
            4 if pull.origin != Origin::Branch => {
                // Of these commits the first digits are all the same.
                wish = Some(Wish::Approve { named: pull.head.as_str().parse().expect("a commit") });
                self.approved.insert((index, pull.head.clone()));
            }
            5 => wish = Some(Wish::Rebuild),
            6 => wish = Some(Wish::Deploy),
            _ => {
                self.heads += 1;
                pull.head = commit(self.heads);
            }
        }
        self.ids += 1;
        if self.random.percent(10) {
            return;
        }
        let delivery = Delivery { id: self.ids, pull: index, wish };
        if self.random.percent(10) {
            self.in_flight.push(delivery.clone());
        }
        self.in_flight.push(delivery);
    }

    /// One of the deliveries under way arrives and is answered with 202.
    fn arrives(&mut self) {
        if !self.in_flight.is_empty() {
            let delivery = self.in_flight.swap_remove(self.random.below(self.in_flight.len()));
            self.stored.insert(delivery.id);
            self.spool.push(delivery);
        }
    }

    /// One file of the spool becomes rows; a kill may keep the file.
    fn is_taken(&mut self) {
        if self.spool.is_empty() {
            return;
        }
        let index = self.random.below(self.spool.len());
        let delivery = self.spool[index].clone();
        if self.taken.insert(delivery.id) {
            self.wishes[delivery.pull].extend(delivery.wish);
            self.lanes[delivery.pull].hear(News::Delivery, at(self.now));
        }
        if !self.random.percent(5) {
            self.spool.swap_remove(index);
        }
    }

    fn begin(&mut self) {
        if self.work.len() >= WORKERS {
            return;
        }
        let now = at(self.now);
        let due: Vec<usize> = (0..PULLS)
            .filter(|index| self.lanes[*index].is_due(now) && !self.work.contains_key(index))
            .collect();
        if !due.is_empty() {
            let index = due[self.random.below(due.len())];
            self.work.insert(index, Work::Asking { generation: self.lanes[index].generation });
        }
    }

    fn end(&mut self, index: usize, generation: u64, end: End) {
        let jitter = f64::from(u32::try_from(self.random.below(100)).expect("small")) / 100.0;
        self.lanes[index].end(generation, end, &Retries::default(), at(self.now), jitter);
        self.work.remove(&index);
    }

    /// Some work goes on by one stage.
    fn goes_on(&mut self) {
        if self.work.is_empty() {
            return;
        }
        let nth = self.random.below(self.work.len());
        let index = *self.work.keys().nth(nth).expect("there is one");
        let fails = self.random.percent(3);
        match self.work.remove(&index).expect("it is there") {
            Work::Asking { generation } if fails => {
                self.end(index, generation, End::Failed { error: "GitHub does not answer".to_owned() });
            }
            Work::Asking { generation } => self.decide(index, generation),
            Work::Deploying { generation, before, .. } if self.pulls[index].state == PullState::Closed => {
                self.sites[index] = before;
                self.end(index, generation, End::CutShort);
            }
            Work::Deploying { generation, before, .. } if fails => {
                self.sites[index] = before;
                self.end(index, generation, End::Failed { error: "it does not start".to_owned() });
            }
            Work::Deploying { generation, head, is_trusted, .. } => {
                let commit = Some(head);
                self.sites[index] = Some(Site { commit, is_trusted, state: SiteState::Serves });
                self.end(index, generation, End::Done);
            }
            Work::Removing { generation } => {
                self.sites[index] = None;
                self.end(index, generation, End::Done);
            }
        }
    }

    fn decide(&mut self, index: usize, generation: u64) {
        let pull = self.pulls[index].clone();
        for wish in std::mem::take(&mut self.wishes[index]) {
            let approvals = &self.lanes[index].approvals;
            if let Ok(granted) = wish.granted(&pull, &self.policy, approvals, &writer(), Permission::Write) {
                self.lanes[index].grant(granted, generation);
            }
        }
        if self.sites[index].as_ref().is_some_and(|site| site.state == SiteState::HalfWay) {
            return self.end(index, generation, End::Failed { error: "cut short".to_owned() });
        }
        let lane = &self.lanes[index];
        let verdict = decide(&pull, &self.policy, &lane.approvals);
        let is_trusted = verdict == Verdict::Deploy { is_trusted: true };
        let work = match step(lane, &pull.head, &verdict, self.sites[index].as_ref()) {
            Step::Rest => return self.end(index, generation, End::Rested),
            Step::Create { .. } | Step::Update { .. } => {
                self.builds[index] += 1;
                let before = self.sites[index].clone();
                let commit = before.as_ref().and_then(|site| site.commit.clone());
                self.sites[index] = Some(Site { commit, is_trusted, state: SiteState::HalfWay });
                Work::Deploying { generation, head: pull.head, before, is_trusted }
            }
            Step::Destroy | Step::Replace => {
                if let Some(site) = &mut self.sites[index] {
                    site.state = SiteState::HalfWay;
                }
                Work::Removing { generation }
            }
        };
        self.work.insert(index, work);
    }

    /// What a daemon does at its start and every minute: what a killed one
    /// left half-way is finished or taken back.
    fn reconcile(&mut self) {
        for index in 0..PULLS {
            if self.work.contains_key(&index) {
                continue;
            }
            let site = self.sites[index].take();
            self.sites[index] = site.and_then(|site| match (site.state, &site.commit) {
                (SiteState::HalfWay, None) => None,
                (SiteState::HalfWay, Some(_)) => Some(Site { state: SiteState::Serves, ..site }),
                (SiteState::Serves | SiteState::Failed, _) => Some(site),
            });
        }
    }

    /// The comparison of all open pull requests with all previews.
    fn compare(&mut self) {
        for index in 0..PULLS {
            let (pull, lane) = (&self.pulls[index], &self.lanes[index]);
            let verdict = decide(pull, &self.policy, &lane.approvals);
            let differs = step(lane, &pull.head, &verdict, self.sites[index].as_ref()) != Step::Rest;
            if differs && (!lane.is_dirty() || lane.is_dead) {
                let news = if lane.is_dead { News::Retry } else { News::Comparison };
                self.lanes[index].hear(news, at(self.now));
            }
        }
    }

    fn anything(&mut self) {
        match self.random.below(100) {
            0..10 => self.happens(),
            10..25 => self.arrives(),
            25..45 => self.is_taken(),
            45..65 => self.begin(),
            65..92 => self.goes_on(),
            92..94 => self.reconcile(),
            94 => self.compare(),
            95 => self.work.clear(),
            _ => self.now += 1,
        }
        self.assert_lawful();
    }

    /// Nothing of a stranger is ever served that nobody approved, and nothing
    /// of a stranger with trust.
    fn assert_lawful(&self) {
        for (index, site) in self.sites.iter().enumerate() {
            let Some(Site { commit: Some(commit), is_trusted, .. }) = site else { continue };
            if self.pulls[index].origin != Origin::Branch {
                assert!(!is_trusted, "pull request {index} is trusted");
                assert!(self.approved.contains(&(index, commit.clone())), "nobody approved {commit}");
            }
        }
    }

    /// The kills have ended: everything comes to rest within a bound.
    fn come_to_rest(&mut self, bound: usize) {
        for round in 0..bound {
            self.arrives();
            self.is_taken();
            self.begin();
            self.goes_on();
            self.now += 1;
            if round.is_multiple_of(60) {
                self.reconcile();
            }
            if round.is_multiple_of(300) {
                self.compare();
            }
            let is_quiet = self.in_flight.is_empty() && self.spool.is_empty() && self.work.is_empty();
            if is_quiet && self.lanes.iter().all(|lane| !lane.is_dirty()) && self.is_right().is_ok() {
                return;
            }
        }
        panic!("not at rest after {bound} rounds: {:?}", self.is_right());
    }

    fn is_right(&self) -> Result<(), String> {
        for (index, pull) in self.pulls.iter().enumerate() {
            let site = self.sites[index].as_ref();
            let commit =
                site.filter(|site| site.state == SiteState::Serves).and_then(|site| site.commit.as_ref());
            let approvals = &self.lanes[index].approvals;
            let is_right = match decide(pull, &self.policy, approvals) {
                Verdict::Deploy { .. } => commit == Some(&pull.head),
                Verdict::Remove | Verdict::Refuse { .. } => site.is_none(),
                Verdict::Hold { .. } => site.is_none_or(|site| site.state == SiteState::Serves),
            };
            if !is_right {
                return Err(format!("{pull:?} has {site:?} with {:?}", self.lanes[index]));
            }
        }
        Ok(())
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn after_any_schedule_each_open_pull_request_has_its_head_and_each_closed_one_nothing() {
    let first = number("BERTH_SEED").unwrap_or(1);
    let schedules =
        if number("BERTH_SEED").is_some() { 1 } else { number("BERTH_SCHEDULES").unwrap_or(2000) };
    for seed in first..first + schedules {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            while world.ids < DELIVERIES {
                world.anything();
            }
            world.work.clear();
            world.come_to_rest(20_000);
            assert_eq!(world.stored, world.taken, "every delivery that got a 202 is accounted for");
        });
        assert!(outcome.is_ok(), "with BERTH_SEED={seed}");
    }
}

#[test]
fn a_storm_of_pushes_makes_three_builds_at_most() {
    for seed in 1..100 {
        let mut world = World::new(seed);
        for index in 1..PULLS {
            world.pulls[index].state = PullState::Closed;
        }
        world.pulls[0].origin = Origin::Branch;
        for push in 0..100 {
            world.heads += 1;
            world.pulls[0].head = commit(world.heads);
            world.ids += 1;
            world.in_flight.push(Delivery { id: world.ids, pull: 0, wish: None });
            world.arrives();
            world.is_taken();
            world.begin();
            // A build takes longer than the storm; asking does not.
            if push == 1 {
                world.decide(0, world.lanes[0].generation);
            }
        }
        world.come_to_rest(20_000);
        assert!(world.builds[0] <= 3, "{} builds with seed {seed}", world.builds[0]);
    }
}
