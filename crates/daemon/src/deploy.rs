//! Making, changing and removing the preview of a pull request.

mod fault;
mod host;

use async_trait::async_trait;
use berth_core::lane::Site;
use berth_core::{BranchName, CommitSha, Name, PullNumber, RepoName};
use berth_host::progress::{Interrupt, Progress};
use berth_host::state::StateError;
use jiff::Timestamp;

pub use self::host::HostDeployer;

/// What a lane does to the host.
#[async_trait]
pub trait Deployer: Send + Sync {
    /// The preview that a pull request has.
    async fn find(&self, repo: &RepoName, pull: PullNumber) -> Result<Option<Found>, StateError>;

    /// Its first deployment.
    async fn create(&self, wanted: &Wanted, work: Work<'_>) -> Result<(), Fault>;

    /// Another commit, or the same anew.
    async fn update(
        &self,
        slug: &Name,
        wanted: &Wanted,
        is_forced: bool,
        work: Work<'_>,
    ) -> Result<(), Fault>;

    /// Its removal.
    async fn destroy(&self, slug: &Name, work: Work<'_>) -> Result<(), Fault>;
}

/// Whom to tell, and when to stop.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Told what is done.
    pub progress: &'a dyn Progress,
    /// Stops the work, which then takes back what it did.
    pub interrupt: &'a Interrupt,
}

/// A preview that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What people call it.
    pub slug: Name,
    /// What it is, for decisions.
    pub site: Site,
    /// Where it is served, the main address first.
    pub urls: Vec<String>,
    /// When its commit was deployed.
    pub deployed_at: Option<Timestamp>,
}

/// What is to be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The repository.
    pub repo: RepoName,
    /// The pull request.
    pub pull: PullNumber,
    /// The branch that it comes from.
    pub branch: BranchName,
    /// The commit.
    pub commit: CommitSha,
    /// Whether it may have secrets of the host.
    pub is_trusted: bool,
}

/// Why it came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What can be done about it.
    pub way_out: WayOut,
    /// What failed: a unit, or a step.
    pub what: String,
    /// Why, in a sentence.
    pub reason: String,
    /// What was said, without secrets.
    pub log: String,
}

/// What can be done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// The next push: this commit cannot be deployed.
    Push,
    /// Another attempt.
    Retry,
    /// A reconcile, and then another attempt: a killed process left it
    /// half-way.
    Repair,
    /// None is needed: somebody interrupted it.
    Interrupted,
}
