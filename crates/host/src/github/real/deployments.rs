//! Deployments, which GitHub shows beside the pull request.

use berth_core::comment::Link;
use berth_core::{CommitSha, RepoName};
use hyper::Method;
use serde_json::{Value, json};

use super::{GitHubApi, PAGES_MAX, PER_PAGE, is_own};
use crate::github::answers::DeploymentAnswer;
use crate::github::http::Call;
use crate::github::{DeploymentId, DeploymentState, DeploymentStatus, Environment, GitHubError};

/// The most characters that GitHub takes.
const DESCRIPTION_MAX: usize = 140;

impl GitHubApi {
    pub(super) async fn find_or_make_deployment(
        &self,
        repo: &RepoName,
        commit: &CommitSha,
        environment: &Environment,
    ) -> Result<DeploymentId, GitHubError> {
        // The newest come first: one that was made by a call whose answer was
        // lost is on the first page.
        let query = format!("sha={commit}&{}", of(environment));
        if let Some(id) = self.own_deployments(repo, &query, 1).await?.into_iter().next() {
            return Ok(id);
        }
        let body = json!({
            "ref": commit,
            "environment": environment.as_str(),
            "description": "a preview by Berth",
            "auto_merge": false,
            "required_contexts": [],
            "transient_environment": true,
            "production_environment": false,
        });
        let what = format!("a deployment of `{}` of `{repo}`", commit.short());
        let call = Call::post(format!("/repos/{repo}/deployments"), body, what);
        Ok(DeploymentId(self.report(repo, call).await?.json::<DeploymentAnswer>()?.id))
    }

    pub(super) async fn set_status(
        &self,
        repo: &RepoName,
        DeploymentId(id): DeploymentId,
        status: &DeploymentStatus,
    ) -> Result<(), GitHubError> {
        let path = format!("/repos/{repo}/deployments/{id}/statuses");
        let call = Call::post(path, body(status), format!("the status of deployment {id} of `{repo}`"));
        self.report(repo, call).await.map(|_| ())
    }

    pub(super) async fn remove_all_deployments(
        &self,
        repo: &RepoName,
        environment: &Environment,
    ) -> Result<(), GitHubError> {
        // All are listed before the first is deleted: the pages would slip.
        for id in self.own_deployments(repo, &of(environment), PAGES_MAX).await? {
            self.remove_deployment(repo, id).await?;
        }
        Ok(())
    }

    /// GitHub deletes no active deployment but the only one.
    async fn remove_deployment(&self, repo: &RepoName, id: DeploymentId) -> Result<(), GitHubError> {
        let state = DeploymentState::Inactive;
        let status = DeploymentStatus { state, log: None, description: "the preview is gone".to_owned() };
        gone_is_done(self.set_status(repo, id, &status).await)?;
        let DeploymentId(id) = id;
        let path = format!("/repos/{repo}/deployments/{id}");
        let call = Call::new(Method::DELETE, path, format!("the removal of deployment {id} of `{repo}`"));
        gone_is_done(self.report(repo, call).await.map(|_| ()))
    }

    async fn own_deployments(
        &self,
        repo: &RepoName,
        query: &str,
        pages_max: usize,
    ) -> Result<Vec<DeploymentId>, GitHubError> {
        let mut own = Vec::new();
        for page in 1..=pages_max {
            let path = format!("/repos/{repo}/deployments?{query}&per_page={PER_PAGE}&page={page}");
            let call = Call::get(path, format!("the deployments of `{repo}`"));
            let found: Vec<DeploymentAnswer> = self.report(repo, call).await?.json()?;
            for one in &found {
                if is_own(self, one.creator.as_ref()).await? {
                    own.push(DeploymentId(one.id));
                }
            }
            if found.len() < PER_PAGE {
                break;
            }
        }
        Ok(own)
    }
}

fn of(environment: &Environment) -> String {
    format!("environment={}", environment.as_str().replace('/', "%2F"))
}

fn body(status: &DeploymentStatus) -> Value {
    let description: String = status.description.chars().take(DESCRIPTION_MAX).collect();
    let mut body = json!({ "state": status.state.word(), "description": description });
    if let DeploymentState::Success(link) = &status.state {
        body["environment_url"] = link.as_str().into();
    }
    if let Some(log) = status.log.as_ref().map(Link::as_str) {
        body["log_url"] = log.into();
    }
    body
}

fn gone_is_done(result: Result<(), GitHubError>) -> Result<(), GitHubError> {
    match result {
        Err(GitHubError::NotFound { .. }) => Ok(()),
        result => result,
    }
}
