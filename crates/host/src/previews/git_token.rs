//! Which token git has for the forge, and what it means when it is refused.
//!
//! It is `preview.token` where that is set. Otherwise GitHub is asked, as
//! `[github]` has it, where the forge is the same GitHub: an App has a token
//! for this one repository, a person always the same. To any other forge git
//! goes without.
//!
//! A fork's commits are in the repository that its pull request is to, so this
//! token reads them too.

use std::sync::Arc;

use berth_core::config::PreviewConfig;
use berth_core::{CommitSha, RepoName};

use super::DeployError;
use crate::exec::Watcher;
use crate::github::{GitHub, GitHubError};
use crate::host::Host;
use crate::repos::{Fetch, FetchLimits, RepoError, Token};
use crate::secret_file;

/// What git can show.
enum Shown {
    /// Nothing: nobody has told Berth a token for this forge.
    Nothing,
    /// Nothing: the App is not installed for the repository, which need not be
    /// private.
    NotInstalled,
    /// `preview.token`.
    Configured(Token),
    /// What GitHub has given.
    Given(Arc<dyn GitHub>, Token),
}

impl Shown {
    async fn of(host: &Host, config: &PreviewConfig, repo: &RepoName) -> Result<Self, DeployError> {
        if let Some(path) = &config.token {
            let token = secret_file::read(path).map_err(DeployError::Token)?;
            return Ok(Self::Configured(Token::new(&token)?));
        }
        let is_same = |github: &berth_core::config::GitHubConfig| github.api.serves(&config.forge);
        if !host.config.github.as_ref().is_some_and(is_same) {
            return Ok(Self::Nothing);
        }
        let Some(github) = host.tools.github.get()? else { return Ok(Self::Nothing) };
        match github.token_for(repo).await {
            Ok(token) => Ok(Self::Given(github, token)),
            Err(error) => not_given(repo, error),
        }
    }

    /// What git can show after it was refused this; nothing where there is only
    /// this.
    async fn other(self, repo: &RepoName) -> Result<Option<Self>, DeployError> {
        match self {
            Self::Nothing | Self::NotInstalled | Self::Configured(_) => Ok(None),
            Self::Given(github, refused) => match github.other_token_for(repo, &refused).await {
                Ok(other) => Ok(other.map(|token| Self::Given(github, token))),
                Err(error) => not_given(repo, error).map(Some),
            },
        }
    }

    fn token(&self) -> Option<Token> {
        match self {
            Self::Nothing | Self::NotInstalled => None,
            Self::Configured(token) | Self::Given(_, token) => Some(token.clone()),
        }
    }

    /// What it means that a fetch with this came to nothing.
    fn explain(&self, error: RepoError) -> DeployError {
        match (self, error) {
            (Self::NotInstalled, RepoError::NoRepository { repo, forge, with_token: false }) => {
                DeployError::NotInstalled { repo, forge }
            }
            (_, error) => error.into(),
        }
    }
}

/// An App that is not installed for a repository is no failure yet: everybody
/// may read a public one.
fn not_given(repo: &RepoName, error: GitHubError) -> Result<Shown, DeployError> {
    match error {
        GitHubError::NotFound { .. } | GitHubError::NotInstalled { .. } => Ok(Shown::NotInstalled),
        error @ (GitHubError::Unauthorized { .. }
        | GitHubError::Forbidden { .. }
        | GitHubError::RateLimited { .. }
        | GitHubError::Validation { .. }
        | GitHubError::Moved { .. }
        | GitHubError::Unreachable { .. }
        | GitHubError::Slow { .. }
        | GitHubError::Failing { .. }
        | GitHubError::Form { .. }
        | GitHubError::Key(_)
        | GitHubError::Token
        | GitHubError::Certificates { .. }) => {
            Err(DeployError::NoToken { repo: repo.clone(), source: error })
        }
    }
}

/// Fetches with the right token. One of GitHub's that the forge refuses is
/// replaced once: an App's is kept for most of an hour, and ends before when
/// its installation is changed.
pub(super) async fn fetch(
    host: &Host,
    config: &PreviewConfig,
    mut fetch: Fetch,
    limits: FetchLimits,
    log: Watcher<'_>,
) -> Result<CommitSha, DeployError> {
    let shown = Shown::of(host, config, &fetch.repo).await?;
    fetch.token = shown.token();
    let refused = match host.tools.repos.fetch(&fetch, limits, log).await {
        Err(error @ RepoError::TokenRefused { .. }) => error,
        done => return done.map_err(|error| shown.explain(error)),
    };
    let Some(other) = shown.other(&fetch.repo).await? else { return Err(refused.into()) };
    fetch.token = other.token();
    host.tools.repos.fetch(&fetch, limits, log).await.map_err(|error| other.explain(error))
}

#[cfg(test)]
mod tests;
