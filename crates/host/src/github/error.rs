//! What can go wrong with GitHub.

use berth_core::policy::Owner;
use jiff::Timestamp;
use thiserror::Error;

use super::ApiBase;
use super::app_key::AppKeyError;

/// What GitHub did not do. None has a token in it.
#[derive(Debug, Error)]
pub enum GitHubError {
    /// It is not there, or it is not shown to us: GitHub does not tell the two
    /// apart.
    #[error("GitHub has no {what}, or does not show it: {hint}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// What to look at.
        hint: &'static str,
    },
    /// The App is not installed for an account.
    #[error("the GitHub App is not installed for `{owner}`: install it there")]
    NotInstalled {
        /// The account.
        owner: Owner,
    },
    /// The token or the App's key is wrong, was revoked, or its time is over.
    #[error("GitHub does not accept the credentials for {what}: {said}")]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// What GitHub says.
        said: String,
    },
    /// The credentials are good and may not do this.
    #[error("GitHub refuses {what}: {said}{}", needs.as_ref().map(|needs| format!("; it needs the permission `{needs}`")).unwrap_or_default())]
    Forbidden {
        /// What was asked for.
        what: String,
        /// The permission that is missing, where GitHub names it.
        needs: Option<String>,
        /// What GitHub says.
        said: String,
    },
    /// Too many calls. Until then none is sent.
    #[error("GitHub takes no more calls until {until}")]
    RateLimited {
        /// When calls are sent again.
        until: Timestamp,
    },
    /// GitHub does not accept what was sent.
    #[error("GitHub does not accept {what}: {said}")]
    Validation {
        /// What was asked for.
        what: String,
        /// What GitHub says.
        said: String,
    },
    /// The repository is now at another place.
    #[error(
        "GitHub has moved {what} to `{to}`: a renamed repository has to be configured under its new name"
    )]
    Moved {
        /// What was asked for.
        what: String,
        /// Where it points to.
        to: String,
    },
    /// It was not reached, or the connection broke.
    #[error("could not reach `{base}` for {what}")]
    Unreachable {
        /// Where the API should be.
        base: ApiBase,
        /// What was asked for.
        what: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It did not answer in time.
    #[error("`{base}` did not answer within {seconds} s for {what}")]
    Slow {
        /// Where the API is.
        base: ApiBase,
        /// What was asked for.
        what: String,
        /// The time that it had.
        seconds: u64,
    },
    /// It has a fault of its own.
    #[error("GitHub failed with status {status} for {what}")]
    Failing {
        /// What was asked for.
        what: String,
        /// The status.
        status: u16,
    },
    /// An answer that is not understood.
    #[error("GitHub's answer for {what} is not understood: {problem}")]
    Form {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key of the App cannot be used.
    #[error(transparent)]
    Key(#[from] AppKeyError),
    /// A token that cannot be shown to a server.
    #[error("the GitHub token is empty or not one word of visible ASCII")]
    Token,
    /// The certificates of the system could not be read.
    #[error("the system's certificates cannot be read, without which `{base}` is not trusted")]
    Certificates {
        /// Where the API is.
        base: ApiBase,
        /// Why.
        source: std::io::Error,
    },
}

impl GitHubError {
    /// Whether the same may succeed later without anybody doing something.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unreachable { .. }
            | Self::Slow { .. }
            | Self::Failing { .. } => true,
            Self::NotFound { .. }
            | Self::NotInstalled { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Validation { .. }
            | Self::Moved { .. }
            | Self::Form { .. }
            | Self::Key(_)
            | Self::Token
            | Self::Certificates { .. } => false,
        }
    }
}
