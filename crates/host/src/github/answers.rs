//! The shapes of GitHub's answers, as far as Berth reads them.

use berth_core::RepoName;
use berth_core::policy::{Login, Origin, Permission, Pull, PullState};
use jiff::Timestamp;
use serde::Deserialize;

use super::GitHubError;
use super::http::form;

/// How GitHub ends its "not found" when the account itself is not there.
pub(super) const NO_USER: &str = "is not a user";

#[derive(Deserialize)]
pub(super) struct PullAnswer {
    number: u32,
    state: String,
    #[serde(default)]
    draft: bool,
    /// Not in lists; there `merged_at` tells.
    #[serde(default)]
    merged: bool,
    merged_at: Option<Timestamp>,
    user: Option<Account>,
    labels: Vec<Label>,
    head: End,
    base: End,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
    repo: Option<RepoAnswer>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// An account.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) login: String,
}

#[derive(Deserialize)]
pub(super) struct RepoAnswer {
    id: u64,
    full_name: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
}

impl RepoAnswer {
    /// Its name, if it is one that can have previews.
    pub(super) fn usable(&self) -> Option<RepoName> {
        (!self.archived && !self.disabled).then(|| self.full_name.parse().ok()).flatten()
    }
}

impl PullAnswer {
    /// The pull request. What strangers choose (names of branches, of forks)
    /// never makes it fail: one of them would hide all the others of a list.
    pub(super) fn pull(self, what: &str) -> Result<Pull, GitHubError> {
        let no_base = || form(what, "it names no repository that the pull request is to");
        let base = self.base.repo.as_ref().ok_or_else(no_base)?;
        let state = match self.state.as_str() {
            "open" => PullState::Open,
            "closed" => PullState::Closed,
            _ => return Err(form(what, "it has an unknown state")),
        };
        let origin = match &self.head.repo {
            Some(head) if head.id == base.id => Origin::Branch,
            Some(head) => head.full_name.parse().map_or(Origin::DeletedFork, Origin::Fork),
            None => Origin::DeletedFork,
        };
        Ok(Pull {
            repo: base.full_name.parse().map_err(|_| no_base())?,
            number: self.number.try_into().map_err(|_| form(what, "it has no number"))?,
            state,
            is_merged: self.merged || self.merged_at.is_some(),
            is_draft: self.draft,
            head: self.head.sha.parse().map_err(|_| form(what, "its head is no commit"))?,
            head_branch: self.head.name.parse().ok(),
            origin,
            base_branch: self.base.name.parse().ok(),
            labels: self.labels.into_iter().map(|label| label.name).collect(),
            author: self.user.and_then(|user| user.login.parse().ok()).unwrap_or_else(Login::ghost),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct PermissionAnswer {
    permission: String,
    #[serde(default)]
    role_name: String,
}

impl PermissionAnswer {
    /// The permission. The name of the role only refines it: a role of an
    /// organisation's own may be called anything.
    pub(super) fn permission(&self, what: &str) -> Result<Permission, GitHubError> {
        match (self.permission.as_str(), self.role_name.as_str()) {
            ("admin", _) => Ok(Permission::Admin),
            ("write" | "maintain", "maintain") => Ok(Permission::Maintain),
            ("write" | "maintain", _) => Ok(Permission::Write),
            ("read" | "triage", "triage") => Ok(Permission::Triage),
            ("read" | "triage", _) => Ok(Permission::Read),
            ("none", _) => Ok(Permission::None),
            _ => Err(form(what, "it names an unknown permission")),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct CommentAnswer {
    pub(super) id: u64,
    pub(super) body: Option<String>,
    pub(super) user: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct DeploymentAnswer {
    pub(super) id: u64,
    pub(super) creator: Option<Account>,
}

#[derive(Deserialize)]
pub(super) struct AppAnswer {
    pub(super) slug: String,
}

#[derive(Deserialize)]
pub(super) struct InstallationAnswer {
    pub(super) id: u64,
    pub(super) account: Option<Account>,
    pub(super) suspended_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct RepositoriesAnswer {
    pub(super) repositories: Vec<RepoAnswer>,
}

/// Whether this account is the one.
pub(super) fn is(account: Option<&Account>, login: &Login) -> bool {
    account.and_then(|account| account.login.parse::<Login>().ok()).is_some_and(|one| one == *login)
}
