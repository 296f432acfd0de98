//! A fake GitHub.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use berth_core::comment::MARKER;
use berth_core::policy::{Login, Owner, Permission, Pull, PullState};
use berth_core::{CommitSha, PullNumber, RepoName};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    ApiBase, CommentId, DeploymentId, DeploymentState, DeploymentStatus, Environment, GitHub, GitHubError,
    Reaction,
};
use crate::fake::{FakeWorld, Moment};
use crate::repos::Token;

/// What GitHub has.
#[derive(Default)]
pub(crate) struct FakeGitHubState {
    repositories: BTreeSet<RepoName>,
    pulls: BTreeMap<(RepoName, PullNumber), Pull>,
    permissions: BTreeMap<(RepoName, Login), Permission>,
    comments: BTreeMap<CommentId, FakeComment>,
    deployments: BTreeMap<DeploymentId, FakeDeployment>,
    /// Berth's, in the order in which they were made.
    reactions: Vec<(CommentId, Reaction)>,
    last: u64,
    limited_until: Option<Timestamp>,
    /// How many tokens for git a repository has had before the present one.
    replaced_tokens: BTreeMap<RepoName, u32>,
    is_revoked: bool,
}

/// A comment with all that it ever said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeComment {
    /// Its number.
    pub id: CommentId,
    /// The repository.
    pub repo: RepoName,
    /// The pull request.
    pub pull: PullNumber,
    /// Whether Berth wrote it.
    pub is_own: bool,
    /// Its texts, the newest last.
    pub texts: Vec<String>,
}

/// A deployment with all that it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeDeployment {
    /// The repository.
    pub repo: RepoName,
    /// What was deployed.
    pub commit: CommitSha,
    /// Where to.
    pub environment: Environment,
    /// Its statuses, the newest last.
    pub statuses: Vec<DeploymentStatus>,
}

impl FakeWorld {
    /// Puts a repository on GitHub, where Berth sees it.
    pub fn github_has(&self, repo: &RepoName) {
        self.lock().github.repositories.insert(repo.clone());
    }

    /// Takes a repository out of Berth's sight, with all its pull requests kept.
    pub fn github_hides(&self, repo: &RepoName) {
        self.lock().github.repositories.remove(repo);
    }

    /// Opens a pull request, or changes one, and shows its repository.
    pub fn github_pull(&self, pull: &Pull) {
        let mut inner = self.lock();
        inner.github.repositories.insert(pull.repo.clone());
        inner.github.pulls.insert((pull.repo.clone(), pull.number), pull.clone());
    }

    /// Lets a pull request be as if it had never been.
    pub fn github_loses_pull(&self, repo: &RepoName, number: PullNumber) {
        self.lock().github.pulls.remove(&(repo.clone(), number));
    }

    /// Lets somebody do this much in a repository; nothing unless said.
    pub fn github_permits(&self, repo: &RepoName, user: &Login, permission: Permission) {
        self.lock().github.permissions.insert((repo.clone(), user.clone()), permission);
    }

    /// Lets GitHub take no calls until then, or again.
    pub fn github_limits(&self, until: Option<Timestamp>) {
        self.lock().github.limited_until = until;
    }

    /// Lets GitHub accept Berth's credentials no more, or again.
    pub fn github_revokes(&self, is_revoked: bool) {
        self.lock().github.is_revoked = is_revoked;
    }

    /// Lets somebody else than Berth comment.
    pub fn github_comment(&self, repo: &RepoName, pull: PullNumber, text: &str) -> CommentId {
        self.lock().github.comment(repo, pull, false, text)
    }

    /// Deletes a comment, as people do.
    pub fn github_deletes_comment(&self, id: CommentId) {
        self.lock().github.comments.remove(&id);
    }

    /// The comments on a pull request, the oldest first.
    pub fn github_comments(&self, repo: &RepoName, pull: PullNumber) -> Vec<FakeComment> {
        let inner = self.lock();
        let comments = inner.github.comments.values();
        comments.filter(|comment| comment.repo == *repo && comment.pull == pull).cloned().collect()
    }

    /// What Berth answered a comment with, the oldest first.
    pub fn github_reactions(&self, comment: CommentId) -> Vec<Reaction> {
        let inner = self.lock();
        let all = inner.github.reactions.iter();
        all.filter(|(on, _)| *on == comment).map(|(_, reaction)| *reaction).collect()
    }

    /// All deployments, the oldest first.
    pub fn github_deployments(&self) -> Vec<FakeDeployment> {
        self.lock().github.deployments.values().cloned().collect()
    }
}

impl FakeGitHubState {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn comment(&mut self, repo: &RepoName, pull: PullNumber, is_own: bool, text: &str) -> CommentId {
        let id = CommentId(self.next());
        let texts = vec![text.to_owned()];
        self.comments.insert(id, FakeComment { id, repo: repo.clone(), pull, is_own, texts });
        id
    }

    /// The comment that is edited: the known one, or Berth's own.
    fn own_comment(
        &mut self,
        repo: &RepoName,
        pull: PullNumber,
        known: Option<CommentId>,
    ) -> Option<&mut FakeComment> {
        let is_there = known.is_some_and(|id| self.comments.contains_key(&id));
        let is_own = |comment: &FakeComment| {
            comment.repo == *repo
                && comment.pull == pull
                && comment.is_own
                && comment.texts.last().is_some_and(|text| text.starts_with(MARKER))
        };
        let id = if is_there {
            known
        } else {
            self.comments.values().find(|comment| is_own(comment)).map(|comment| comment.id)
        };
        id.and_then(|id| self.comments.get_mut(&id))
    }
}

/// The GitHub of a [`FakeWorld`].
pub struct FakeGitHub {
    world: FakeWorld,
}

impl FakeGitHub {
    /// That of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    async fn pass(&self, call: &str, moment: Moment) -> Result<(), GitHubError> {
        let unreachable = |source| GitHubError::Unreachable {
            base: ApiBase::default(),
            what: call.to_owned(),
            source: Box::new(source),
        };
        self.world.pass(call, moment).await.map_err(unreachable)
    }

    /// What every call about a repository meets first.
    async fn enter(&self, call: &str, repo: &RepoName) -> Result<(), GitHubError> {
        self.pass(call, Moment::Before).await?;
        let inner = self.world.lock();
        if let Some(until) = inner.github.limited_until {
            return Err(GitHubError::RateLimited { until });
        }
        if inner.github.is_revoked {
            let what = format!("repository `{repo}`");
            return Err(GitHubError::Unauthorized { what, said: "Bad credentials".to_owned() });
        }
        if inner.github.repositories.contains(repo) {
            return Ok(());
        }
        Err(GitHubError::NotFound { what: format!("repository `{repo}`"), hint: "the fake has none" })
    }
}

#[async_trait]
impl GitHub for FakeGitHub {
    async fn repositories(&self, owner: &Owner) -> Result<BTreeSet<RepoName>, GitHubError> {
        self.pass(&format!("github.repositories {owner}"), Moment::Before).await?;
        let inner = self.world.lock();
        let all = inner.github.repositories.iter();
        Ok(all.filter(|repo| repo.owner() == owner.as_str()).cloned().collect())
    }

    async fn open_pulls(&self, repo: &RepoName) -> Result<Vec<Pull>, GitHubError> {
        self.enter(&format!("github.open_pulls {repo}"), repo).await?;
        let inner = self.world.lock();
        let all = inner.github.pulls.values();
        Ok(all.filter(|pull| pull.repo == *repo && pull.state == PullState::Open).cloned().collect())
    }

    async fn pull(&self, repo: &RepoName, number: PullNumber) -> Result<Option<Pull>, GitHubError> {
        self.enter(&format!("github.pull {repo} {number}"), repo).await?;
        Ok(self.world.lock().github.pulls.get(&(repo.clone(), number)).cloned())
    }

    async fn permission(&self, repo: &RepoName, user: &Login) -> Result<Permission, GitHubError> {
        self.enter(&format!("github.permission {repo} {user}"), repo).await?;
        let inner = self.world.lock();
        let permission = inner.github.permissions.get(&(repo.clone(), user.clone()));
        Ok(permission.copied().unwrap_or(Permission::None))
    }

    async fn put_comment(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        known: Option<CommentId>,
        text: &str,
    ) -> Result<CommentId, GitHubError> {
        let call = format!("github.put_comment {repo} {pull}");
        self.enter(&call, repo).await?;
        let id = {
            let github = &mut self.world.lock().github;
            match github.own_comment(repo, pull, known) {
                Some(comment) => {
                    comment.texts.push(text.to_owned());
                    comment.id
                }
                None => github.comment(repo, pull, true, text),
            }
        };
        self.pass(&call, Moment::After).await?;
        Ok(id)
    }

    async fn react(
        &self,
        repo: &RepoName,
        comment: CommentId,
        reaction: Reaction,
    ) -> Result<(), GitHubError> {
        let call = format!("github.react {repo} {}", comment.0);
        self.enter(&call, repo).await?;
        {
            let github = &mut self.world.lock().github;
            let is_there = github.comments.get(&comment).is_some_and(|one| one.repo == *repo);
            if !is_there {
                let what = format!("comment {}", comment.0);
                return Err(GitHubError::NotFound { what, hint: "the fake has none" });
            }
            if !github.reactions.contains(&(comment, reaction)) {
                github.reactions.push((comment, reaction));
            }
        }
        self.pass(&call, Moment::After).await
    }

    async fn deployment(
        &self,
        repo: &RepoName,
        commit: &CommitSha,
        environment: &Environment,
    ) -> Result<DeploymentId, GitHubError> {
        let call = format!("github.deployment {repo} {environment}");
        self.enter(&call, repo).await?;
        let id = {
            let github = &mut self.world.lock().github;
            let (repo, commit, environment) = (repo.clone(), commit.clone(), environment.clone());
            let is_it = |one: &FakeDeployment| {
                one.repo == repo && one.commit == commit && one.environment == environment
            };
            let known = github.deployments.iter().rev().find(|(_, one)| is_it(one)).map(|(id, _)| *id);
            known.unwrap_or_else(|| {
                let id = DeploymentId(github.next());
                let made = FakeDeployment { repo, commit, environment, statuses: Vec::new() };
                github.deployments.insert(id, made);
                id
            })
        };
        self.pass(&call, Moment::After).await?;
        Ok(id)
    }

    async fn set_deployment(
        &self,
        repo: &RepoName,
        deployment: DeploymentId,
        status: &DeploymentStatus,
    ) -> Result<(), GitHubError> {
        let call = format!("github.set_deployment {repo} {}", status.state.word());
        self.enter(&call, repo).await?;
        {
            let github = &mut self.world.lock().github;
            let what = format!("deployment {}", deployment.0);
            let not_found = || GitHubError::NotFound { what, hint: "the fake has none" };
            let environment = github.deployments.get(&deployment).ok_or_else(not_found)?.environment.clone();
            let others = github.deployments.iter_mut().filter(|(id, other)| {
                **id != deployment && other.repo == *repo && other.environment == environment
            });
            if matches!(status.state, DeploymentState::Success(_)) {
                others.for_each(|(_, other)| make_inactive(other));
            }
            if let Some(one) = github.deployments.get_mut(&deployment) {
                one.statuses.push(status.clone());
            }
        }
        self.pass(&call, Moment::After).await
    }

    async fn remove_deployments(
        &self,
        repo: &RepoName,
        environment: &Environment,
    ) -> Result<(), GitHubError> {
        let call = format!("github.remove_deployments {repo} {environment}");
        self.enter(&call, repo).await?;
        let is_kept = |one: &FakeDeployment| one.repo != *repo || one.environment != *environment;
        self.world.lock().github.deployments.retain(|_, one| is_kept(one));
        self.pass(&call, Moment::After).await
    }

    async fn token_for(&self, repo: &RepoName) -> Result<Token, GitHubError> {
        self.enter(&format!("github.token_for {repo}"), repo).await?;
        let number = self.world.lock().github.replaced_tokens.get(repo).copied().unwrap_or_default() + 1;
        let token = format!("ghs_fake-{}-{number}", repo.name());
        Token::new(&Zeroizing::new(token.into_bytes())).map_err(|_| GitHubError::Token)
    }

    async fn other_token_for(&self, repo: &RepoName, refused: &Token) -> Result<Option<Token>, GitHubError> {
        let present = self.token_for(repo).await?;
        if present.bytes() != refused.bytes() {
            return Ok(Some(present));
        }
        *self.world.lock().github.replaced_tokens.entry(repo.clone()).or_default() += 1;
        self.token_for(repo).await.map(Some)
    }
}

fn make_inactive(deployment: &mut FakeDeployment) {
    let is_inactive = |status: &DeploymentStatus| status.state == DeploymentState::Inactive;
    if !deployment.statuses.last().is_some_and(is_inactive) {
        let description = "another one succeeded".to_owned();
        let status = DeploymentStatus { state: DeploymentState::Inactive, log: None, description };
        deployment.statuses.push(status);
    }
}

#[cfg(test)]
mod tests;
