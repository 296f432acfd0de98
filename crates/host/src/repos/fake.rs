//! Fake repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use async_trait::async_trait;
use berth_core::{BranchName, CommitSha, NixFiles, PreviewId, RepoName};

use super::real::list_sources;
use super::{Fetch, FetchLimits, RepoError, Repos, Wanted};
use crate::confined::ConfinedError;
use crate::exec::Watcher;
use crate::fake::{FakeWorld, Moment};

/// What the forge has, and what the host has of it.
#[derive(Default)]
pub(crate) struct Repositories {
    /// The commits of each reference, the newest last.
    forge: BTreeMap<(RepoName, Wanted), Vec<CommitSha>>,
    nix_files: BTreeMap<CommitSha, NixFiles>,
    /// The private ones, each with the one token that opens it.
    private: BTreeMap<RepoName, String>,
    /// What each fetch could show to the forge.
    tokens: Vec<Option<String>>,
    mirrors: BTreeSet<(i64, CommitSha)>,
    published: BTreeMap<PreviewId, (BranchName, CommitSha)>,
}

impl FakeWorld {
    /// Adds a commit with these Nix files to a reference of the forge's
    /// repository; its newest one from now on.
    pub fn push(&self, repo: &RepoName, wanted: &Wanted, commit: &CommitSha, files: NixFiles) {
        let mut inner = self.lock();
        inner.repositories.forge.entry((repo.clone(), wanted.clone())).or_default().push(commit.clone());
        inner.repositories.nix_files.insert(commit.clone(), files);
    }

    /// Deletes a reference of the forge's repository.
    pub fn delete_reference(&self, repo: &RepoName, wanted: &Wanted) {
        self.lock().repositories.forge.remove(&(repo.clone(), wanted.clone()));
    }

    /// Lets the forge show a repository only to who has this token.
    pub fn make_private(&self, repo: &RepoName, token: &str) {
        self.lock().repositories.private.insert(repo.clone(), token.to_owned());
    }

    /// The token that each fetch had, the newest last.
    pub fn fetch_tokens(&self) -> Vec<Option<String>> {
        self.lock().repositories.tokens.clone()
    }

    /// What a preview's own repository has.
    pub fn published(&self, preview: PreviewId) -> Option<(BranchName, CommitSha)> {
        self.lock().repositories.published.get(&preview).cloned()
    }
}

/// The repositories of a [`FakeWorld`].
pub struct FakeRepos {
    world: FakeWorld,
}

impl FakeRepos {
    /// Those of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    async fn pass(&self, call: &str, moment: Moment) -> Result<(), RepoError> {
        Ok(self.world.pass(call, moment).await.map_err(ConfinedError::Run)?)
    }

    /// Whether the forge lets a fetch in.
    fn enter(&self, fetch: &Fetch) -> Result<(), RepoError> {
        let repositories = &mut self.world.lock().repositories;
        let token = fetch.token.as_ref().map(|token| String::from_utf8_lossy(token.bytes()).into_owned());
        repositories.tokens.push(token.clone());
        let (repo, forge) = (fetch.repo.clone(), fetch.forge.clone());
        match (repositories.private.get(&repo), token) {
            (None, _) => Ok(()),
            (Some(good), Some(token)) if *good == token => Ok(()),
            (Some(_), Some(_)) => Err(RepoError::TokenRefused { repo, forge }),
            (Some(_), None) => Err(RepoError::NoRepository { repo, forge, with_token: false }),
        }
    }

    /// The commit that a fetch finds.
    fn find(&self, fetch: &Fetch) -> Result<CommitSha, RepoError> {
        let inner = self.world.lock();
        let forge = &inner.repositories.forge;
        let (repo, wanted) = (fetch.repo.clone(), fetch.wanted.clone());
        if !forge.keys().any(|(known, _)| *known == repo) {
            let with_token = fetch.token.is_some();
            return Err(RepoError::NoRepository { repo, forge: fetch.forge.clone(), with_token });
        }
        let commits = forge.get(&(repo.clone(), wanted.clone()));
        let Some(newest) = commits.and_then(|commits| commits.last()) else {
            return Err(RepoError::NoReference { repo, wanted });
        };
        match &fetch.commit {
            None => Ok(newest.clone()),
            Some(commit) if commits.is_some_and(|commits| commits.contains(commit)) => Ok(commit.clone()),
            Some(commit) => Err(RepoError::Elsewhere { repo, wanted, commit: commit.clone() }),
        }
    }

    fn has(&self, mirror: i64, commit: &CommitSha) -> bool {
        self.world.lock().repositories.mirrors.contains(&(mirror, commit.clone()))
    }

    fn fetched(&self, mirror: i64, commit: &CommitSha) -> Result<(), RepoError> {
        let error = || RepoError::NotFetched { mirror, commit: commit.clone() };
        self.has(mirror, commit).then_some(()).ok_or_else(error)
    }
}

#[async_trait]
impl Repos for FakeRepos {
    async fn fetch(
        &self,
        fetch: &Fetch,
        _limits: FetchLimits,
        log: Watcher<'_>,
    ) -> Result<CommitSha, RepoError> {
        let call = format!("repos.fetch {} {}", fetch.repo, fetch.wanted.full_ref());
        self.pass(&call, Moment::Before).await?;
        self.enter(fetch)?;
        let commit = self.find(fetch)?;
        log(&format!("fetching {}", commit.short()));
        self.world.lock().repositories.mirrors.insert((fetch.mirror, commit.clone()));
        self.pass(&call, Moment::After).await?;
        Ok(commit)
    }

    async fn has_commit(&self, mirror: i64, commit: &CommitSha) -> Result<bool, RepoError> {
        self.pass(&format!("repos.has_commit {mirror} {commit}"), Moment::Before).await?;
        Ok(self.has(mirror, commit))
    }

    async fn nix_files(&self, mirror: i64, commit: &CommitSha) -> Result<NixFiles, RepoError> {
        self.pass(&format!("repos.nix_files {mirror} {commit}"), Moment::Before).await?;
        self.fetched(mirror, commit)?;
        Ok(self.world.lock().repositories.nix_files.get(commit).cloned().unwrap_or_default())
    }

    async fn publish(
        &self,
        preview: PreviewId,
        mirror: i64,
        branch: &BranchName,
        commit: &CommitSha,
    ) -> Result<(), RepoError> {
        let call = format!("repos.publish {preview} {branch} {commit}");
        self.pass(&call, Moment::Before).await?;
        self.fetched(mirror, commit)?;
        fs::create_dir_all(self.world.layout().source(preview)).expect("a test can write below its layout");
        self.pass(&call, Moment::Midway).await?;
        self.world.lock().repositories.published.insert(preview, (branch.clone(), commit.clone()));
        self.pass(&call, Moment::After).await
    }

    async fn remove(&self, preview: PreviewId) -> Result<(), RepoError> {
        let call = format!("repos.remove {preview}");
        self.pass(&call, Moment::Before).await?;
        self.world.lock().repositories.published.remove(&preview);
        self.pass(&call, Moment::Midway).await?;
        let _ = fs::remove_dir_all(self.world.layout().source(preview));
        self.pass(&call, Moment::After).await
    }

    fn list(&self) -> Result<BTreeSet<PreviewId>, RepoError> {
        self.world.pass_now("repos.list").map_err(ConfinedError::Run)?;
        list_sources(&self.world.layout().sources_dir())
    }
}

#[cfg(test)]
mod tests {
    use berth_core::Layout;

    use super::*;

    fn commit(digit: &str) -> CommitSha {
        digit.repeat(40).parse().expect("a commit")
    }

    fn fetch(commit: Option<&CommitSha>) -> Fetch {
        Fetch {
            mirror: 7,
            repo: "acme/site".parse().expect("a repository"),
            forge: "https://github.com".parse().expect("a forge"),
            token: None,
            preview: None,
            wanted: Wanted::Branch("main".parse().expect("a branch")),
            commit: commit.cloned(),
        }
    }

    #[tokio::test]
    async fn the_fake_refuses_what_a_forge_does_not_have() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = FakeWorld::new(&Layout::below(folder.path()));
        let repos = FakeRepos::new(&world);
        let limits =
            FetchLimits { deadline: std::time::Duration::from_secs(1), largest: "64M".parse().expect("64M") };
        let get = async |wanted: Fetch| repos.fetch(&wanted, limits, &|_| {}).await;
        assert!(matches!(get(fetch(None)).await, Err(RepoError::NoRepository { .. })));

        let (one, two, fork) = (commit("1"), commit("2"), commit("f"));
        let Fetch { repo, wanted: main, .. } = fetch(None);
        let pull = Wanted::Pull("12".parse().expect("a number"));
        for (reference, commit) in [(&main, &one), (&main, &two), (&pull, &fork)] {
            world.push(&repo, reference, commit, NixFiles::default());
        }
        assert_eq!(get(fetch(None)).await.expect("the newest"), two);
        assert_eq!(get(fetch(Some(&one))).await.expect("an older one"), one);
        assert!(matches!(get(fetch(Some(&fork))).await, Err(RepoError::Elsewhere { .. })));
        assert!(!repos.has_commit(7, &fork).await.expect("an answer"));
        world.delete_reference(&repo, &main);
        assert!(matches!(get(fetch(None)).await, Err(RepoError::NoReference { .. })));
    }

    #[tokio::test]
    async fn the_fake_publishes_only_what_was_fetched_and_removes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = FakeWorld::new(&Layout::below(folder.path()));
        let repos = FakeRepos::new(&world);
        let (id, one, branch) = (PreviewId::new(42), commit("1"), "main".parse().expect("a branch"));
        let error = repos.publish(id, 7, &branch, &one).await.expect_err("not fetched");
        assert!(matches!(error, RepoError::NotFetched { .. }));
        world.lock().repositories.mirrors.insert((7, one.clone()));
        repos.publish(id, 7, &branch, &one).await.expect("published");
        assert_eq!(world.published(id), Some((branch, one)));
        assert_eq!(repos.list().expect("a list"), BTreeSet::from([id]));
        repos.remove(id).await.expect("removed");
        repos.remove(id).await.expect("gone already");
        assert!(world.published(id).is_none() && repos.list().expect("a list").is_empty());
    }
}
