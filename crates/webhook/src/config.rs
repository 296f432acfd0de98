//! What the program runs with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_core::delivery::WebhookSecret;
use thiserror::Error;

use crate::cli::Options;
use crate::secret::{self, SecretError};
use crate::spool::{Spool, SpoolError};

const SECRET: &str = "webhook-secret";
const PREVIOUS_SECRET: &str = "webhook-secret-previous";

/// Why it cannot run.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("preview-webhook needs no right of root's: run it as another user, or give `--allow-root`")]
    Root,
    #[error("there is no secret: load the credential `{SECRET}`, or give `--secret-file`")]
    NoSecret,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Who runs it and where.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) is_root: bool,
    /// `CREDENTIALS_DIRECTORY`, which systemd sets.
    pub(crate) credentials: Option<PathBuf>,
}

/// The secrets, or everything that is wrong.
pub(crate) fn check(
    options: &Options,
    surroundings: &Surroundings,
) -> Result<Arc<[WebhookSecret]>, Vec<ConfigError>> {
    let mut problems = Vec::new();
    if surroundings.is_root && !options.allow_root {
        problems.push(ConfigError::Root);
    }
    if let Err(error) = Spool::check(&options.spool) {
        problems.push(error.into());
    }
    let secrets = secrets(options, surroundings.credentials.as_deref(), &mut problems);
    if problems.is_empty() { Ok(secrets.into()) } else { Err(problems) }
}

fn secrets(options: &Options, folder: Option<&Path>, problems: &mut Vec<ConfigError>) -> Vec<WebhookSecret> {
    let credential = |name| folder.map(|folder| folder.join(name));
    let mut secrets = Vec::new();
    match options.secret_file.clone().or_else(|| credential(SECRET)) {
        Some(path) => match secret::read(&path) {
            Ok(secret) => secrets.push(secret),
            Err(error) => problems.push(error.into()),
        },
        None => problems.push(ConfigError::NoSecret),
    }
    let given = options.previous_secret_file.clone();
    let may_be_absent = given.is_none();
    if let Some(path) = given.or_else(|| credential(PREVIOUS_SECRET)) {
        match secret::read(&path) {
            Ok(secret) => secrets.push(secret),
            Err(error) if may_be_absent && error.is_absent() => {}
            Err(error) => problems.push(error.into()),
        }
    }
    secrets
}
