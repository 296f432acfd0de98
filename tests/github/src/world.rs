//! What this GitHub has in memory.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::clock::Clock;
use crate::command::Role;
use crate::faults::Faults;
use crate::grants::{Grant, Who};
use crate::jwt::AppPublicKey;

/// The number of the App.
pub const APP_ID: &str = "4242";
/// Its name; its account is `berth-previews[bot]`.
pub const APP_SLUG: &str = "berth-previews";

/// How many calls somebody has in an hour.
pub(crate) const CALLS_PER_HOUR: u32 = 5000;

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) app_key: AppPublicKey,
    /// What the App was granted.
    pub(crate) granted: BTreeMap<String, String>,
    /// By the account.
    pub(crate) installations: BTreeMap<String, u64>,
    pub(crate) tokens: BTreeMap<String, Grant>,
    /// By the full name in lower case.
    pub(crate) repos: BTreeMap<String, Repo>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) deployments: BTreeMap<u64, Deployment>,
    pub(crate) calls: Vec<Value>,
    pub(crate) faults: Faults,
    pub(crate) limits: BTreeMap<Who, Limit>,
    last: u64,
}

/// The calls that somebody has left until the reset (seconds since 1970).
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) remaining: u32,
    pub(crate) reset: i64,
}

#[expect(clippy::struct_excessive_bools, reason = "as GitHub tells them")]
pub(crate) struct Repo {
    pub(crate) id: u64,
    /// As it was written when it was made.
    pub(crate) full_name: String,
    pub(crate) is_private: bool,
    pub(crate) is_installed: bool,
    pub(crate) is_archived: bool,
    pub(crate) is_fork: bool,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) pulls: BTreeMap<u32, Pull>,
}

#[derive(Clone)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) number: u32,
    pub(crate) is_open: bool,
    pub(crate) merged_at: Option<String>,
    pub(crate) is_draft: bool,
    pub(crate) author: String,
    pub(crate) labels: BTreeSet<String>,
    /// The full name of the repository of its branch.
    pub(crate) from: String,
    pub(crate) branch: String,
    pub(crate) sha: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) repo: String,
    pub(crate) number: u32,
    pub(crate) by: String,
    pub(crate) texts: Vec<String>,
    /// Whose, and which.
    pub(crate) reactions: Vec<(String, String)>,
    pub(crate) is_deleted: bool,
}

pub(crate) struct Deployment {
    pub(crate) id: u64,
    pub(crate) repo: String,
    pub(crate) sha: String,
    pub(crate) by: String,
    /// As it was asked for.
    pub(crate) asked: Value,
    pub(crate) statuses: Vec<Value>,
    pub(crate) is_deleted: bool,
}

impl Deployment {
    pub(crate) fn environment(&self) -> &str {
        self.asked["environment"].as_str().unwrap_or("production")
    }

    /// The last state; a deployment without a status is pending.
    pub(crate) fn state(&self) -> &str {
        self.statuses.last().and_then(|status| status["state"].as_str()).unwrap_or("pending")
    }
}

impl Repo {
    /// The full name in lower case.
    pub(crate) fn key(&self) -> String {
        self.full_name.to_ascii_lowercase()
    }

    pub(crate) fn owner(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(owner, _)| owner)
    }

    pub(crate) fn name(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(_, name)| name)
    }

    /// What somebody may do; everybody reads what is public.
    pub(crate) fn role(&self, user: &str) -> Role {
        let least = if self.is_private { Role::None } else { Role::Read };
        if user.eq_ignore_ascii_case(self.owner()) {
            return Role::Admin;
        }
        self.roles.get(&user.to_ascii_lowercase()).copied().unwrap_or(least).max(least)
    }
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        let granted = [
            ("metadata", "read"),
            ("contents", "read"),
            ("pull_requests", "write"),
            ("deployments", "write"),
        ];
        Ok(Self {
            clock: Clock::default(),
            app_key: AppPublicKey::new()?,
            granted: granted.map(|(name, level)| (name.to_owned(), level.to_owned())).into(),
            installations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            repos: BTreeMap::new(),
            comments: BTreeMap::new(),
            deployments: BTreeMap::new(),
            calls: Vec::new(),
            faults: Faults::default(),
            limits: BTreeMap::new(),
            last: 1000,
        })
    }

    /// A number that nothing else has.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A token that is new, in GitHub's form.
    pub(crate) fn fresh_token(&mut self, kind: &str) -> String {
        format!("{kind}_double{:030}", self.next_id())
    }

    pub(crate) fn now(&self) -> String {
        self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub(crate) fn repo(&self, name: &str) -> Result<&Repo> {
        self.repos.get(&name.to_ascii_lowercase()).with_context(|| format!("there is no repository `{name}`"))
    }

    pub(crate) fn repo_mut(&mut self, name: &str) -> Result<&mut Repo> {
        let found = self.repos.get_mut(&name.to_ascii_lowercase());
        found.with_context(|| format!("there is no repository `{name}`"))
    }

    /// A pull request that is changed now.
    pub(crate) fn pull_mut(&mut self, repo: &str, number: u32) -> Result<&mut Pull> {
        let now = self.now();
        let found = self.repo_mut(repo)?.pulls.get_mut(&number);
        let pull = found.with_context(|| format!("`{repo}` has no pull request {number}"))?;
        pull.updated_at = now;
        Ok(pull)
    }

    /// Adds a repository without commits.
    pub(crate) fn add_repo(
        &mut self,
        name: &str,
        is_private: bool,
        is_installed: bool,
        is_fork: bool,
    ) -> Result<()> {
        let key = name.to_ascii_lowercase();
        let is_name = name.split('/').count() == 2
            && name.split('/').all(|part| {
                !part.is_empty()
                    && !part.starts_with('.')
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            });
        if !is_name || self.repos.contains_key(&key) {
            bail!("`{name}` is no name for a new repository");
        }
        let id = self.next_id();
        let repo = Repo {
            id,
            full_name: name.to_owned(),
            is_private,
            is_installed,
            is_archived: false,
            is_fork,
            roles: BTreeMap::new(),
            pulls: BTreeMap::new(),
        };
        if is_installed && !self.installations.contains_key(repo.owner()) {
            let installation = self.next_id();
            self.installations.insert(repo.owner().to_owned(), installation);
        }
        self.repos.insert(key, repo);
        Ok(())
    }

    pub(crate) fn add_comment(&mut self, repo: &str, number: u32, by: &str, text: &str) -> u64 {
        let id = self.next_id();
        let (repo, by, texts) = (repo.to_ascii_lowercase(), by.to_owned(), vec![text.to_owned()]);
        let comment = Comment { id, repo, number, by, texts, reactions: Vec::new(), is_deleted: false };
        self.comments.insert(id, comment);
        id
    }
}
