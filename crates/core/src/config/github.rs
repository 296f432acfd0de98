//! What concerns pull requests: the section `[github]`.

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use super::check_absolute;
use super::reader::Section;
use crate::policy::{AllowList, Drafts, Labels, Policy, RepoPattern};

/// How GitHub is reached, and which pull requests get previews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHubConfig {
    /// The base of its API.
    pub api: ApiBase,
    /// As whom.
    pub credentials: GitHubCredentials,
    /// The files with the secrets that deliveries are signed with: the current
    /// one, and the one before it.
    pub webhook_secrets: Vec<PathBuf>,
    /// Which pull requests get previews.
    pub policy: Policy,
}

/// What proves to GitHub who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitHubCredentials {
    /// An App, installed for the repositories.
    App {
        /// Its number.
        id: u64,
        /// The file with its private key.
        key: PathBuf,
    },
    /// A personal access token.
    Token {
        /// The file with it.
        path: PathBuf,
    },
}

/// The base of an API's addresses, without a `/` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiBase(String);

/// A text that is no base of an API.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no base of an API: write such as `https://api.github.com`, without a user or a `/` at the end"
)]
pub struct ApiBaseError(String);

impl ApiBase {
    /// The base.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ApiBase {
    fn default() -> Self {
        Self("https://api.github.com".to_owned())
    }
}

impl FromStr for ApiBase {
    type Err = ApiBaseError;

    fn from_str(text: &str) -> Result<Self, ApiBaseError> {
        let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let is_base = rest.is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                && !rest.ends_with('/')
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/[]".contains(&b))
        });
        if is_base { Ok(Self(text.to_owned())) } else { Err(ApiBaseError(text.escape_debug().to_string())) }
    }
}

/// Reads the section; nothing when it is not there.
pub(super) fn github(top: &mut Section) -> Option<GitHubConfig> {
    top.section_if_any("github", |section| {
        let api = section.parsed("api").unwrap_or_default();
        let credentials = credentials(section);
        let webhook_secrets = webhook_secrets(section);
        let repositories: Vec<RepoPattern> = section.parsed_list("repositories");
        if repositories.is_empty() && !section.has_problem("repositories") {
            let message = "is missing: name what gets previews, such as `acme/shop` or `acme/*`";
            section.problem("repositories", message.to_owned());
        }
        let policy = Policy {
            repositories: repositories.into_iter().collect::<AllowList>(),
            drafts: section
                .choice("drafts", &[("deploy", Drafts::Deploy), ("skip", Drafts::Skip)])
                .unwrap_or_default(),
            labels: labels(section),
        };
        credentials.map(|credentials| GitHubConfig { api, credentials, webhook_secrets, policy })
    })
    .flatten()
}

fn path(section: &mut Section, key: &'static str) -> Option<PathBuf> {
    section.checked(key, check_absolute).map(Into::into)
}

fn credentials(section: &mut Section) -> Option<GitHubCredentials> {
    let token = path(section, "token");
    let id: Option<u64> = section.parsed("app_id");
    let key = path(section, "app_key");
    match (token, id, key) {
        (Some(path), None, None) => Some(GitHubCredentials::Token { path }),
        (None, Some(id), Some(key)) => Some(GitHubCredentials::App { id, key }),
        (token, id, key) => {
            let is_told = ["token", "app_id", "app_key"].iter().any(|key| section.has_problem(key));
            let has_all = token.is_some() && (id.is_some() || key.is_some());
            if !is_told || has_all {
                let message = "give either `token`, or `app_id` and `app_key` of an App";
                section.problem("token", message.to_owned());
            }
            None
        }
    }
}

fn webhook_secrets(section: &mut Section) -> Vec<PathBuf> {
    let current = path(section, "webhook_secret");
    if current.is_none() && !section.has_problem("webhook_secret") {
        section.problem("webhook_secret", "is missing: name the file with it".to_owned());
    }
    let previous = path(section, "webhook_secret_previous");
    current.into_iter().chain(previous).collect()
}

fn labels(section: &mut Section) -> Labels {
    let default = Labels::default();
    let labels = Labels {
        force: section.checked("label", check_label).unwrap_or(default.force),
        forbid: section.checked("label_forbid", check_label).unwrap_or(default.forbid),
    };
    if labels.force.to_lowercase() == labels.forbid.to_lowercase() {
        section.problem("label_forbid", "must be another label than `label`".to_owned());
    }
    labels
}

fn check_label(text: &str) -> Result<(), String> {
    let is_label = (1..=50).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    is_label
        .then_some(())
        .ok_or_else(|| format!("`{}` is no label: GitHub's have 1 to 50 characters", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const LEAST: &str = r#"
        [github]
        token = "/run/secrets/github"
        webhook_secret = "/run/secrets/webhook"
        repositories = ["Acme/Shop", " acme/* "]
    "#;

    fn refusal(text: &str) -> String {
        Config::parse(text).expect_err("a bad file").to_string()
    }

    #[test]
    fn little_is_enough() {
        let github = Config::parse(LEAST).expect("a good file").github.expect("the section");
        assert_eq!(github.api.as_str(), "https://api.github.com");
        assert_eq!(github.credentials, GitHubCredentials::Token { path: "/run/secrets/github".into() });
        assert_eq!(github.policy.labels, Labels::default());
        assert_eq!(github.policy.drafts, Drafts::Deploy);
        assert!(github.policy.repositories.allows(&"acme/site".parse().expect("a repository")));
        assert_eq!(Config::parse("").expect("the defaults").github, None);
    }

    #[test]
    fn an_app_has_a_number_and_a_key() {
        let text = r#"
            [github]
            api = "http://127.0.0.1:8080/api/v3"
            app_id = 4711
            app_key = "/run/secrets/app.pem"
            webhook_secret = "/run/secrets/new"
            webhook_secret_previous = "/run/secrets/old"
            repositories = ["acme/*"]
            drafts = "skip"
            label = "deploy me"
            label_forbid = "stay away"
        "#;
        let github = Config::parse(text).expect("a good file").github.expect("the section");
        let app = GitHubCredentials::App { id: 4711, key: "/run/secrets/app.pem".into() };
        assert_eq!((github.credentials, github.webhook_secrets.len()), (app, 2));
        assert_eq!(github.policy.drafts, Drafts::Skip);
        assert_eq!(github.policy.labels.forbid, "stay away");
    }

    #[test]
    fn all_problems_of_github_are_told_at_once() {
        let text = r#"
            [github]
            api = "https://user@example.com/"
            token = "/run/secrets/github"
            app_id = 4711
            repositories = ["site"]
            drafts = "maybe"
            label = "no-preview"
        "#;
        insta::assert_snapshot!(refusal(text), @r"
        the configuration has 6 problems:
          `github.api`: `https://user@example.com/` is no base of an API: write such as `https://api.github.com`, without a user or a `/` at the end
          `github.token`: give either `token`, or `app_id` and `app_key` of an App
          `github.webhook_secret`: is missing: name the file with it
          `github.repositories`: `site` names no repositories: write `owner/name`, or `owner/*` for all of an account
          `github.drafts`: `maybe` must be one of `deploy`, `skip`
          `github.label_forbid`: must be another label than `label`
        ");
        insta::assert_snapshot!(refusal("[github]"), @r"
        the configuration has 3 problems:
          `github.token`: give either `token`, or `app_id` and `app_key` of an App
          `github.webhook_secret`: is missing: name the file with it
          `github.repositories`: is missing: name what gets previews, such as `acme/shop` or `acme/*`
        ");
    }
}
