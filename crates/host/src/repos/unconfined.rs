//! Git's fetch without a unit around it, for tests that can start none.

use std::collections::BTreeSet;
use std::fs;

use async_trait::async_trait;
use berth_core::{BranchName, CommitSha, Layout, NixFiles, PreviewId};

use super::real::{FETCH, GitRepos, fetched, without_token};
use super::{Fetch, FetchLimits, RepoError, Repos};
use crate::confined::ConfinedError;
use crate::exec::{Invocation, Stdin, Watcher};

/// Fetches with the script and the arguments of [`GitRepos`], as the user of
/// the test.
pub(crate) struct UnconfinedGit {
    layout: Layout,
    git: GitRepos,
}

impl UnconfinedGit {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { layout: layout.clone(), git: GitRepos::new(layout) }
    }
}

#[async_trait]
impl Repos for UnconfinedGit {
    async fn fetch(
        &self,
        fetch: &Fetch,
        limits: FetchLimits,
        log: Watcher<'_>,
    ) -> Result<CommitSha, RepoError> {
        fs::create_dir_all(self.layout.mirrors_dir()).expect("a test can write below its layout");
        let stdin = fetch.token.as_ref().map_or(Stdin::Null, |token| Stdin::Bytes(token.line()));
        let run = Invocation::new("sh")
            .args(["-c", FETCH, "git"])
            .args(self.git.fetch_arguments(fetch, limits))
            .stdin(stdin)
            .deadline(limits.deadline);
        let log = |line: &str| log(&without_token(fetch, line));
        let output = run.run_watched(&log).await.map_err(ConfinedError::Run)?;
        fetched(fetch, limits, output)
    }

    async fn has_commit(&self, _: i64, _: &CommitSha) -> Result<bool, RepoError> {
        unreachable!("it only fetches")
    }

    async fn nix_files(&self, _: i64, _: &CommitSha) -> Result<NixFiles, RepoError> {
        unreachable!("it only fetches")
    }

    async fn publish(&self, _: PreviewId, _: i64, _: &BranchName, _: &CommitSha) -> Result<(), RepoError> {
        unreachable!("it only fetches")
    }

    async fn remove(&self, _: PreviewId) -> Result<(), RepoError> {
        unreachable!("it only fetches")
    }

    fn list(&self) -> Result<BTreeSet<PreviewId>, RepoError> {
        unreachable!("it only fetches")
    }
}
