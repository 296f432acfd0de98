//! GitHub as the operator configured it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use berth_core::config::{GitHubConfig, GitHubCredentials};
use thiserror::Error;

use super::{AppKey, AppKeyError, Credentials, GitHub, GitHubApi, GitHubError, GitHubOptions};
use crate::repos::Token;
use crate::secret_file::{self, SecretFileError};

/// GitHub, opened when something is first asked of it: what asks nothing of it
/// needs no credentials that can be read.
pub struct OnDemand {
    config: Option<GitHubConfig>,
    opened: OnceLock<Arc<dyn GitHub>>,
}

impl OnDemand {
    /// That of this configuration; none where nothing is configured.
    pub fn new(config: Option<&GitHubConfig>) -> Self {
        Self { config: config.cloned(), opened: OnceLock::new() }
    }

    /// This one, opened already.
    pub fn opened(github: Arc<dyn GitHub>) -> Self {
        Self { config: None, opened: github.into() }
    }

    /// GitHub; nothing where none is configured. What failed once is tried
    /// again: the operator may have mended it.
    pub fn get(&self) -> Result<Option<Arc<dyn GitHub>>, OpenGitHubError> {
        let (opened, config) = (self.opened.get(), &self.config);
        match (opened, config) {
            (Some(github), _) => Ok(Some(Arc::clone(github))),
            (None, None) => Ok(None),
            (None, Some(config)) => {
                let api = GitHubApi::open(config)?;
                Ok(Some(Arc::clone(self.opened.get_or_init(|| Arc::new(api)))))
            }
        }
    }
}

/// Why GitHub cannot be asked as it is configured. None has a secret in it.
#[derive(Debug, Error)]
pub enum OpenGitHubError {
    /// The file of the App's key.
    #[error("the key of the GitHub App cannot be read: set `github.app_key` to a file that root can read")]
    KeyFile(#[source] SecretFileError),
    /// What is in it.
    #[error("`{}` cannot be the key that `github.app_key` names", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AppKeyError,
    },
    /// The file of the personal token.
    #[error("the token for GitHub cannot be read: set `github.token` to a file that root can read")]
    TokenFile(#[source] SecretFileError),
    /// What is in it.
    #[error("`{}`, which `github.token` names, is empty or not one word of visible ASCII", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
    /// What the connection needs.
    #[error(transparent)]
    Connection(GitHubError),
}

impl GitHubApi {
    /// The API as it is configured. Reads the credentials, and sends nothing.
    pub fn open(config: &GitHubConfig) -> Result<Self, OpenGitHubError> {
        let credentials = match &config.credentials {
            GitHubCredentials::App { id, key } => Credentials::App { id: id.clone(), key: app_key(key)? },
            GitHubCredentials::Token { path } => personal_token(path)?,
        };
        let options = GitHubOptions { base: config.api.clone(), ..GitHubOptions::default() };
        Self::new(credentials, options).map_err(OpenGitHubError::Connection)
    }
}

fn app_key(path: &Path) -> Result<AppKey, OpenGitHubError> {
    let pem = secret_file::read(path).map_err(OpenGitHubError::KeyFile)?;
    AppKey::from_pem(&pem).map_err(|source| OpenGitHubError::Key { path: path.to_owned(), source })
}

fn personal_token(path: &Path) -> Result<Credentials, OpenGitHubError> {
    let content = secret_file::read(path).map_err(OpenGitHubError::TokenFile)?;
    let bad = || OpenGitHubError::Token { path: path.to_owned() };
    let token = Token::new(&content).map_err(|_| bad())?;
    let token = std::str::from_utf8(token.bytes()).map_err(|_| bad())?;
    Ok(Credentials::Person(token.into()))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;

    use berth_core::Config;
    use tempfile::TempDir;

    use super::*;
    use crate::agents::chain;
    use crate::fake::FakeWorld;
    use crate::github::FakeGitHub;

    const KEY: &str = include_str!("../../../../tests/github/assets/app-key.pem");

    /// A configuration whose one credential is this file's.
    fn config(credential: &str) -> GitHubConfig {
        let text = format!(
            "[github]\n{credential}\nwebhook_secret = \"/none\"\nrepositories = [\"acme/*\"]\n\
             api = \"http://127.0.0.1:1\"\n"
        );
        Config::parse(&text).unwrap_or_else(|error| panic!("{error}")).github.expect("the section")
    }

    fn file(content: &str) -> (TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, content).expect("written");
        let path = path.display().to_string();
        (folder, path)
    }

    fn app(path: &str) -> GitHubConfig {
        config(&format!("app_id = \"Iv23liAbC\"\napp_key = \"{path}\""))
    }

    fn person(path: &str) -> GitHubConfig {
        config(&format!("token = \"{path}\""))
    }

    /// The error, with `FILE` for this file.
    fn refusal(config: &GitHubConfig, file: &str) -> String {
        let Err(error) = OnDemand::new(Some(config)).get() else { panic!("it opens") };
        let told = chain(&error);
        assert!(!format!("{told} {error:?} {:?}", error.source()).contains("poison"), "{told}");
        told.replace(file, "FILE")
    }

    #[test]
    fn nothing_is_read_before_github_is_asked() {
        let (_folder, path) = file(KEY);
        let later = format!("{path}-later");
        let github = OnDemand::new(Some(&app(&later)));
        assert!(github.get().is_err());
        fs::rename(&path, &later).expect("mended");
        let one = github.get().expect("opened").expect("configured");
        fs::remove_file(&later).expect("removed");
        let other = github.get().expect("open still").expect("configured");
        assert!(Arc::ptr_eq(&one, &other), "tokens and limits are known to one client");
    }

    #[test]
    fn without_a_configuration_there_is_none() {
        assert!(OnDemand::new(None).get().expect("nothing to read").is_none());
        let folder = tempfile::tempdir().expect("a folder");
        let world = FakeWorld::new(&berth_core::Layout::below(folder.path()));
        let given: Arc<dyn GitHub> = Arc::new(FakeGitHub::new(&world));
        let github = OnDemand::opened(Arc::clone(&given)).get().expect("open").expect("given");
        assert!(Arc::ptr_eq(&github, &given));
    }

    #[test]
    fn a_credential_that_cannot_be_used_is_named_and_not_shown() {
        let (_folder, path) = file("poison key\n");
        insta::assert_snapshot!(refusal(&app("/none/key"), "/none/key"), @"the key of the GitHub App cannot be read: set `github.app_key` to a file that root can read: `FILE` cannot be read: No such file or directory (os error 2)");
        insta::assert_snapshot!(refusal(&app(&path), &path), @"`FILE` cannot be the key that `github.app_key` names: the key of the GitHub App is no PEM file with a private key: download a new one from its settings");
        insta::assert_snapshot!(refusal(&person("/none/token"), "/none/token"), @"the token for GitHub cannot be read: set `github.token` to a file that root can read: `FILE` cannot be read: No such file or directory (os error 2)");
        insta::assert_snapshot!(refusal(&person(&path), &path), @"`FILE`, which `github.token` names, is empty or not one word of visible ASCII");
        let (_folder, path) = file("  ghp_good\n");
        assert!(OnDemand::new(Some(&person(&path))).get().expect("opened").is_some());
    }
}
