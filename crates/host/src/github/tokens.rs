//! Tokens of the App's installations: the least that a call needs, kept until
//! shortly before their end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use berth_core::RepoName;
use berth_core::policy::Owner;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

/// How long before its end a token is not shown any more.
const EARLY: SignedDuration = SignedDuration::from_mins(5);

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Reading pull requests, writing comments and deployments of one
    /// repository.
    Report(RepoName),
    /// Reading the content of one repository.
    Read(RepoName),
    /// Listing the repositories of an account.
    List(Owner),
}

impl Purpose {
    /// What is asked of GitHub.
    pub(super) fn request(&self) -> Value {
        let permissions = self.permissions();
        match self {
            Self::Report(repo) | Self::Read(repo) => {
                json!({ "repositories": [repo.name()], "permissions": permissions })
            }
            Self::List(_) => json!({ "permissions": permissions }),
        }
    }

    fn permissions(&self) -> Value {
        match self {
            Self::Report(_) => {
                json!({ "metadata": "read", "pull_requests": "write", "deployments": "write" })
            }
            Self::Read(_) => json!({ "metadata": "read", "contents": "read" }),
            Self::List(_) => json!({ "metadata": "read" }),
        }
    }

    /// The permissions in words, for a message.
    pub(super) fn needs(&self) -> String {
        let permissions = self.permissions();
        let one = |(name, level): (&String, &Value)| format!("{name}={}", level.as_str().unwrap_or_default());
        permissions.as_object().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
    }

    /// What it is about, in words.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Report(repo) => format!("a token for `{repo}`"),
            Self::Read(repo) => format!("a token for git and `{repo}`"),
            Self::List(owner) => format!("a token for the list of `{owner}`"),
        }
    }
}

/// A token of an installation.
#[derive(Clone)]
pub(super) struct InstallationToken {
    pub(super) installation: u64,
    pub(super) token: SecretString,
    pub(super) expires_at: Timestamp,
}

impl InstallationToken {
    /// Whether it can still be shown.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        now + EARLY < self.expires_at
    }
}

/// The token of one purpose. Who asks for a new one holds it meanwhile, so that
/// others wait for that one.
pub(super) type Place = Arc<tokio::sync::Mutex<Option<InstallationToken>>>;

/// The tokens that are kept, in memory only.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<Purpose, Place>>);

impl Tokens {
    pub(super) fn place(&self, purpose: &Purpose) -> Place {
        let mut places = self.0.lock().expect("nothing panics while it holds the tokens");
        places.entry(purpose.clone()).or_default().clone()
    }
}
