//! What Berth puts into the container of a preview.

use std::path::PathBuf;

use crate::env_file::EnvName;
use crate::{BranchName, CommitSha, Name, PreviewId};

/// The user id and group id inside of whom a preview's services run as.
pub const SERVICES_ID: u32 = 1000;
/// The environment of a preview's services.
pub const ENVIRONMENT: &str = "etc/preview.env";
/// The forge's token, where the operator lets a repository have it.
pub const TOKEN: &str = "etc/preview-token";

/// What a preview's root is prepared with. Secrets are named here, not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewPreparation {
    /// The slug, its host name inside.
    pub host_name: Name,
    /// What its services are told.
    pub environment: PreviewEnvironment,
}

/// What a preview's services are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewEnvironment {
    /// The preview, which names its database and source repository.
    pub preview: PreviewId,
    /// `PREVIEW_REPO_URL`: its own source repository.
    pub repository_url: String,
    /// `PREVIEW_BRANCH`.
    pub branch: BranchName,
    /// `PREVIEW_COMMIT`.
    pub commit: CommitSha,
    /// `PREVIEW_HOST`: its host name outside.
    pub host: String,
    /// `PREVIEW_URL`.
    pub url: String,
    /// Whether it has a database of the host's, and `DATABASE_URL`.
    pub has_database: bool,
    /// The secrets that it is granted, with the files that hold them.
    pub secrets: Vec<(EnvName, PathBuf)>,
    /// The file that holds the token that it is granted.
    pub token: Option<PathBuf>,
}
