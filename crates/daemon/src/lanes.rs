//! Working on lanes: each by one worker at a time, all of them together within
//! a limit.
//!
//! One process works on lanes ([`crate`] holds a lock), so what is under way is
//! known here and needs no leases: a killed daemon has left dirty lanes, and the
//! next one begins with those.

mod look;
mod round;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_core::lane::{End, Retries};
use berth_core::policy::Policy;
use berth_core::{PullNumber, RepoName};
use berth_host::control::Doing;
use berth_host::github::GitHub;
use berth_host::progress::Interrupt;
use berth_host::state::{LaneId, LaneRecord, State, StateError};
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::chain;
use crate::deploy::Deployer;
use crate::report::Reporter;

/// So many lanes ask GitHub at the same time, deployments not counted.
const LOOKS: usize = 8;
/// The lanes are looked through at least so often: another process may have
/// written to them.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The pause after the records could not be read.
const STATE_PAUSE: Duration = Duration::from_secs(1);

/// What the work on lanes needs.
pub struct Parts {
    /// The records.
    pub state: State,
    /// GitHub.
    pub github: Arc<dyn GitHub>,
    /// What is done to the host.
    pub deployer: Arc<dyn Deployer>,
    /// Which pull requests get previews.
    pub policy: Policy,
    /// How often and how soon work is tried again.
    pub retries: Retries,
    /// So many deployments go on at the same time.
    pub workers: usize,
    /// Reads the clock.
    pub now: fn() -> Timestamp,
    /// A number from 0 to 1, to spread what failed together.
    pub jitter: fn() -> f64,
}

/// The work on lanes.
pub struct Lanes {
    parts: Parts,
    reporter: Reporter,
    slots: Semaphore,
    looks: Semaphore,
    busy: Mutex<BTreeMap<LaneId, Arc<Busy>>>,
    wake: Notify,
    /// Somebody wants everything looked at now.
    nudged: Notify,
    /// Somebody killed left a preview half-way: it needs a reconcile.
    half_way: Notify,
    ended: Mutex<BTreeMap<&'static str, u64>>,
}

/// A lane that is worked on.
pub(crate) struct Busy {
    repo: RepoName,
    pull: PullNumber,
    since: Timestamp,
    step: Mutex<String>,
    news: Notify,
}

impl Lanes {
    /// Nothing is worked on yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let reporter = Reporter::new(parts.state.clone(), Arc::clone(&parts.github), parts.now);
        Arc::new(Self {
            reporter,
            slots: Semaphore::new(parts.workers),
            looks: Semaphore::new(LOOKS),
            busy: Mutex::default(),
            wake: Notify::new(),
            nudged: Notify::new(),
            half_way: Notify::new(),
            ended: Mutex::default(),
            parts,
        })
    }

    /// What it was made from.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// A lane has become dirty: begin with it, or tell whoever works on it.
    pub fn heard(&self, id: LaneId) {
        if let Some(busy) = self.busy().get(&id) {
            busy.news.notify_one();
        }
        self.wake.notify_one();
    }

    /// Look through spool and lanes now.
    pub fn nudge(&self) {
        self.wake.notify_one();
        self.nudged.notify_one();
    }

    /// Ends when somebody wants the spool looked into. For the one loop that
    /// does.
    pub async fn nudged(&self) {
        self.nudged.notified().await;
    }

    /// Ends when a preview was found that a killed process left half-way.
    pub async fn half_way_found(&self) {
        self.half_way.notified().await;
    }

    /// What is done at this moment, the oldest first.
    pub fn doing(&self) -> Vec<Doing> {
        let busy = self.busy();
        let mut doing: Vec<Doing> = busy.iter().map(|(id, busy)| busy.doing(*id)).collect();
        doing.sort_by_key(|doing| doing.since);
        doing
    }

    /// How often work ended in which way since the start.
    pub fn ended(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.ended).clone()
    }

    /// Works until `stop`; then what is under way is interrupted and may take
    /// back what it did for as long as `patience`. `beat` is called all the
    /// while.
    pub async fn run(self: &Arc<Self>, stop: &Interrupt, patience: Duration, beat: &(dyn Fn() + Sync)) {
        let mut tasks = JoinSet::new();
        while !stop.is_interrupted() {
            beat();
            let pause = self.begin_due(&mut tasks, stop).await.unwrap_or_else(|error| {
                tracing::error!(error = chain(&error), "the lanes cannot be read");
                STATE_PAUSE
            });
            tokio::select! {
                () = stop.interrupted() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                Some(_) = tasks.join_next() => {}
            }
        }
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!("deployments did not end in time: the next start takes them back");
        }
    }

    /// Begins with every lane that is due, and tells when to look again.
    async fn begin_due(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stop: &Interrupt,
    ) -> Result<Duration, StateError> {
        let now = (self.parts.now)();
        let mut pause = LONGEST_PAUSE;
        for record in self.parts.state.dirty_lanes().await? {
            let lane = &record.lane;
            if lane.is_due(now) {
                if let Some(work) = self.take(&record) {
                    tasks.spawn(Arc::clone(self).work(work, stop.clone()));
                }
            } else if let Some(at) = lane.next_at.filter(|_| !lane.is_dead) {
                pause = pause.min(Duration::try_from(at.duration_since(now)).unwrap_or_default());
            }
        }
        Ok(pause)
    }

    /// The right to work on a lane, unless somebody has it.
    fn take(self: &Arc<Self>, record: &LaneRecord) -> Option<Right> {
        let mut all = self.busy();
        if all.contains_key(&record.id) {
            return None;
        }
        let busy = Arc::new(Busy {
            repo: record.repo.clone(),
            pull: record.pull,
            since: (self.parts.now)(),
            step: Mutex::new("ask GitHub".to_owned()),
            news: Notify::new(),
        });
        all.insert(record.id, Arc::clone(&busy));
        Some(Right { lanes: Arc::clone(self), id: record.id, busy })
    }

    /// Works on one lane. The work itself is a task of its own, so that a
    /// fault in it is the lane's failure and nothing more.
    async fn work(self: Arc<Self>, right: Right, stop: Interrupt) {
        let (id, busy) = (right.id, Arc::clone(&right.busy));
        let lanes = Arc::clone(&self);
        let task = tokio::spawn(async move { round::run(&lanes, id, &busy, &stop).await });
        let ended = match Aborting(task).await {
            Ok(Ok(Some((generation, end)))) => self.end(id, generation, end).await,
            Ok(Ok(None)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(fault) => {
                tracing::error!(job = id.get(), %fault, "the work on a lane ended with a fault in berthd");
                self.end(id, 0, End::Failed { error: "a fault in berthd: see its log".to_owned() }).await
            }
        };
        if let Err(error) = ended {
            tracing::error!(job = id.get(), error = chain(&error), "the work on a lane cannot be recorded");
            tokio::time::sleep(STATE_PAUSE).await;
        }
        drop(right);
        self.wake.notify_one();
    }

    async fn end(&self, id: LaneId, generation: u64, end: End) -> Result<(), StateError> {
        let word = match &end {
            End::Done => "done",
            End::Rested => "rested",
            End::Refused { .. } => "refused",
            End::Failed { .. } => "failed",
            End::Wait { .. } => "waits",
            End::Unasked { .. } => "unasked",
            End::CutShort => "cut short",
        };
        *lock(&self.ended).entry(word).or_default() += 1;
        match &end {
            End::Failed { error } | End::Unasked { error } | End::Wait { error, .. } => {
                tracing::warn!(job = id.get(), error, "this will be tried again: see `preview jobs`");
            }
            End::Refused { commit, error } => {
                tracing::warn!(job = id.get(), %commit, error, "the next push is waited for");
            }
            End::Done | End::Rested | End::CutShort => {}
        }
        let (retries, now, jitter) = (self.parts.retries, (self.parts.now)(), (self.parts.jitter)());
        let changed =
            self.parts.state.change_lane(id, &[], |lane| lane.end(generation, end, &retries, now, jitter));
        let record = changed.await?;
        if let Some(record) = record.filter(|record| record.lane.is_dead) {
            let error = record.lane.error.unwrap_or_default();
            tracing::error!(job = id.get(), repo = %record.repo, pull = %record.pull, error, "given up: see `preview jobs`");
        }
        Ok(())
    }

    fn busy(&self) -> MutexGuard<'_, BTreeMap<LaneId, Arc<Busy>>> {
        lock(&self.busy)
    }
}

impl Busy {
    fn doing(&self, id: LaneId) -> Doing {
        Doing {
            job: id.get(),
            repository: self.repo.clone(),
            pull: self.pull,
            step: lock(&self.step).clone(),
            since: self.since,
        }
    }

    fn set_step(&self, step: &str) {
        step.clone_into(&mut lock(&self.step));
    }
}

/// The right to work on a lane, given back when it is dropped.
struct Right {
    lanes: Arc<Lanes>,
    id: LaneId,
    busy: Arc<Busy>,
}

impl Drop for Right {
    fn drop(&mut self) {
        self.lanes.busy().remove(&self.id);
    }
}

/// A task that ends with whoever waits for it.
struct Aborting<T>(tokio::task::JoinHandle<T>);

impl<T> Future for Aborting<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The values behind these locks are whole at every moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
