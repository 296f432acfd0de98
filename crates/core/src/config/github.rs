//! What concerns pull requests: the section `[github]`.

mod api_base;
mod app_id;

use std::path::{Path, PathBuf};

pub use self::api_base::{ApiBase, ApiBaseError};
pub use self::app_id::{AppId, AppIdError};
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
        /// Its number or its client id.
        id: AppId,
        /// The file with its private key.
        key: PathBuf,
    },
    /// A personal access token.
    Token {
        /// The file with it.
        path: PathBuf,
    },
}

impl GitHubConfig {
    /// All files with secrets.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        let credential = match &self.credentials {
            GitHubCredentials::App { key, .. } => key,
            GitHubCredentials::Token { path } => path,
        };
        std::iter::once(credential).chain(&self.webhook_secrets).map(PathBuf::as_path)
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
    let id: Option<AppId> = section.parsed("app_id");
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
    fn an_app_has_an_id_and_a_key() {
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
        let id: AppId = "4711".parse().expect("an id");
        let app = GitHubCredentials::App { id, key: "/run/secrets/app.pem".into() };
        assert_eq!(github.credentials, app);
        let files: Vec<_> = github.secret_files().map(|path| path.display().to_string()).collect();
        assert_eq!(files, ["/run/secrets/app.pem", "/run/secrets/new", "/run/secrets/old"]);
        assert_eq!(github.policy.drafts, Drafts::Skip);
        assert_eq!(github.policy.labels.forbid, "stay away");
        let by_client_id = text.replace("4711", "\"Iv23liAbC\"");
        let github = Config::parse(&by_client_id).expect("a good file").github.expect("the section");
        assert!(
            matches!(github.credentials, GitHubCredentials::App { id, .. } if id.as_str() == "Iv23liAbC")
        );
        insta::assert_snapshot!(refusal(&text.replace("4711", "\"my app\"")), @"
        the configuration has 1 problem:
          `github.app_id`: `my app` is no id of a GitHub App: take its number or its client id from its settings
        ");
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
