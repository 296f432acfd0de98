//! Who calls, and what they may.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::answer::{Answer, forbidden, invalid, not_found, unauthorized};
use crate::command::Role;
use crate::world::World;

/// What a token opens.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) who: Who,
    /// `contents` → `read`.
    pub(crate) permissions: BTreeMap<String, String>,
    /// Lower-case full names; all of the holder's when nothing.
    pub(crate) repositories: Option<BTreeSet<String>>,
    pub(crate) expires: Option<Timestamp>,
}

/// Who shows a token. Their calls are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    App,
    Installation(u64),
    Person(String),
}

impl Who {
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::App => "app".into(),
            Self::Installation(id) => format!("installation {id}"),
            Self::Person(login) => format!("person {login}"),
        }
    }
}

/// A call's credentials, checked.
pub(crate) enum Caller {
    App,
    Token(Grant),
}

impl Caller {
    pub(crate) fn who(&self) -> Who {
        match self {
            Self::App => Who::App,
            Self::Token(grant) => grant.who.clone(),
        }
    }

    /// The App itself; nobody else may.
    pub(crate) fn as_app(&self) -> Result<(), Answer> {
        match self {
            Self::App => Ok(()),
            Self::Token(_) => Err(unauthorized("A JSON web token could not be decoded")),
        }
    }

    /// A token; the App's own statement opens nothing of a repository.
    pub(crate) fn as_token(&self) -> Result<&Grant, Answer> {
        match self {
            Self::Token(grant) => Ok(grant),
            Self::App => Err(forbidden("Resource not accessible by integration")),
        }
    }
}

impl Grant {
    /// Whether this level of a permission is granted.
    pub(crate) fn has(&self, permission: &str, level: &str) -> bool {
        match self.permissions.get(permission).map(String::as_str) {
            Some("write") => true,
            Some("read") => level == "read",
            _ => permission == "metadata" && level == "read",
        }
    }

    /// Refuses as GitHub does, with the header that names what is missing.
    pub(crate) fn needs(&self, permission: &str, level: &str) -> Result<(), Answer> {
        if self.has(permission, level) {
            return Ok(());
        }
        let message = match self.who {
            Who::App | Who::Installation(_) => "Resource not accessible by integration",
            Who::Person(_) => "Resource not accessible by personal access token",
        };
        Err(forbidden(message).with("x-accepted-github-permissions", format!("{permission}={level}")))
    }
}

/// How long an installation's token is good.
const GOOD: SignedDuration = SignedDuration::from_hours(1);

impl World {
    /// Who shows this bearer.
    pub(crate) fn caller(&self, bearer: Option<&str>) -> Result<Caller, Answer> {
        let bearer = bearer.ok_or_else(|| unauthorized("Requires authentication"))?;
        if bearer.starts_with("ey") && bearer.matches('.').count() == 2 {
            let app = self.app_key.check(bearer, self.clock.now())?;
            return if app == crate::APP_ID {
                Ok(Caller::App)
            } else {
                Err(unauthorized("Integration not found"))
            };
        }
        self.grant(bearer).map(Caller::Token).ok_or_else(|| unauthorized("Bad credentials"))
    }

    /// What a token opens, if it is one and its time is not over.
    pub(crate) fn grant(&self, token: &str) -> Option<Grant> {
        let grant = self.tokens.get(token)?;
        grant.expires.is_none_or(|expires| self.clock.now() < expires).then(|| grant.clone())
    }

    /// A repository that this token may see at all; 404 hides the others.
    pub(crate) fn visible(&self, grant: &Grant, repo: &str) -> Result<&crate::world::Repo, Answer> {
        let found = self.repos.get(&repo.to_ascii_lowercase()).ok_or_else(not_found)?;
        let is_covered = grant.repositories.as_ref().is_none_or(|all| all.contains(&found.key()));
        let is_member = match &grant.who {
            Who::App => false,
            Who::Installation(id) => found.is_installed && self.installations.get(found.owner()) == Some(id),
            Who::Person(login) => found.role(login) >= Role::Read,
        };
        if found.is_private && !(is_covered && is_member) { Err(not_found()) } else { Ok(found) }
    }

    /// A repository about which this token may do this.
    pub(crate) fn permitted(
        &self,
        grant: &Grant,
        repo: &str,
        (permission, level): (&str, &str),
    ) -> Result<&crate::world::Repo, Answer> {
        let found = self.visible(grant, repo)?;
        let is_covered = grant.repositories.as_ref().is_none_or(|all| all.contains(&found.key()));
        // What is public can be read with any token; nothing else.
        if !is_covered && (found.is_private || level == "write") {
            return Err(if level == "write" && !found.is_private {
                forbidden("Resource not accessible by integration")
            } else {
                not_found()
            });
        }
        grant.needs(permission, level)?;
        Ok(found)
    }

    /// A new token of an installation, for what is asked.
    pub(crate) fn new_token(
        &mut self,
        installation: u64,
        asked: &Value,
    ) -> Result<(String, Timestamp), Answer> {
        let owner =
            self.installations.iter().find(|(_, id)| **id == installation).map(|(owner, _)| owner.clone());
        let owner = owner.ok_or_else(not_found)?;
        let permissions = self.asked_permissions(asked)?;
        let repositories = self.asked_repositories(&owner, asked)?;
        let expires = self.clock.now() + GOOD;
        let token = self.fresh_token("ghs");
        let who = Who::Installation(installation);
        self.tokens.insert(
            token.clone(),
            Grant { who, permissions, repositories: Some(repositories), expires: Some(expires) },
        );
        Ok((token, expires))
    }

    fn asked_permissions(&self, asked: &Value) -> Result<BTreeMap<String, String>, Answer> {
        let Some(wanted) = asked.get("permissions") else { return Ok(self.granted.clone()) };
        let wanted: BTreeMap<String, String> = serde_json::from_value(wanted.clone())
            .map_err(|_| invalid("Invalid request.\n\nFor 'properties/permissions', it is not an object."))?;
        let is_granted = |(name, level): (&String, &String)| match self.granted.get(name).map(String::as_str)
        {
            Some("write") => level == "read" || level == "write",
            Some("read") => level == "read",
            _ => false,
        };
        if wanted.iter().all(is_granted) {
            return Ok(wanted);
        }
        Err(invalid("The permissions requested are not granted to this installation."))
    }

    fn asked_repositories(&self, owner: &str, asked: &Value) -> Result<BTreeSet<String>, Answer> {
        let installed = self.repos.values().filter(|repo| repo.owner() == owner && repo.is_installed);
        let installed: BTreeSet<String> = installed.map(crate::world::Repo::key).collect();
        let Some(names) = asked.get("repositories") else { return Ok(installed) };
        let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
        let wanted: BTreeSet<String> =
            names.map(|name| format!("{owner}/{}", name.to_ascii_lowercase())).collect();
        if !wanted.is_empty() && wanted.is_subset(&installed) {
            return Ok(wanted);
        }
        Err(invalid(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        ))
    }
}
