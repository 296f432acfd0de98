//! What pull requests need to drive previews: GitHub, secrets, `berthd`,
//! `preview-webhook` and the way between the two. Nothing is said where no
//! pull requests are followed.

mod spool;
mod webhook;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use berth_core::Layout;
use berth_core::config::GitHubConfig;
use berth_core::delivery::WebhookSecret;
use tokio::task::spawn_blocking;

use super::Finding;
use crate::agents::chain;
use crate::control::{self, Answer, ControlError, Request};
use crate::github::{GitHub, GitHubError};
use crate::host::Host;
use crate::secret_file;

const GITHUB: &str = "github";
const SECRETS: &str = "webhook secret";
const BERTHD: &str = "berthd";

/// Whether others than the owner may read or write a file.
const OTHERS: u32 = 0o077;

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    let Some(config) = &host.config.github else { return Vec::new() };
    if host.config.preview.is_none() {
        let message = "`[github]` is set and `[preview]` is not: no pull request is followed";
        return vec![Finding::error(GITHUB, message, "add the section `[preview]` with its `domain`")];
    }
    let mut findings = github(host, config).await;
    findings.extend(secrets(config));
    findings.push(daemon(&host.layout).await);
    findings.extend(webhook::check().await);
    findings.extend(spool::check(host));
    findings
}

/// Asks for what the comparison asks for too.
async fn github(host: &Host, config: &GitHubConfig) -> Vec<Finding> {
    let github = match host.tools.github.get() {
        Ok(Some(github)) => github,
        Ok(None) => return Vec::new(),
        Err(error) => {
            let way_out = "mend what it names, and restart berthd";
            return vec![Finding::error(GITHUB, chain(&error), way_out)];
        }
    };
    let (mut findings, mut seen) = (Vec::new(), 0);
    for owner in config.policy.repositories.owners() {
        match github.repositories(owner).await {
            Ok(repositories) if repositories.is_empty() => findings.push(Finding::warning(
                GITHUB,
                format!("it shows no repository of `{}`", owner.as_str()),
                "give the App or the token access to repositories of that account",
            )),
            Ok(repositories) => seen += repositories.len(),
            Err(error) => findings.push(refused(&error)),
        }
    }
    seen += one_by_one(&*github, config, &mut findings).await;
    if findings.is_empty() {
        findings
            .push(Finding::ok(GITHUB, format!("it shows {}", counted(seen, "repository", "repositories"))));
    }
    findings
}

/// The repositories that are named one by one, and how many of them are seen.
async fn one_by_one(github: &dyn GitHub, config: &GitHubConfig, findings: &mut Vec<Finding>) -> usize {
    let mut seen = 0;
    for repo in config.policy.repositories.repositories() {
        match github.open_pulls(repo).await {
            Ok(_) => seen += 1,
            Err(error) => findings.push(refused(&error)),
        }
    }
    seen
}

fn refused(error: &GitHubError) -> Finding {
    let told = chain(error);
    if error.is_temporary() {
        return Finding::warning(GITHUB, told, "wait: berthd tries again by itself");
    }
    Finding::error(GITHUB, told, "look at the App's or the token's access and at `[github]`")
}

fn secrets(config: &GitHubConfig) -> Vec<Finding> {
    let unusable = config.webhook_secrets.iter().filter_map(|path| unusable(path));
    let open = config.secret_files().filter(|path| is_open(path)).map(|path| {
        let message = format!("`{}` is open to others than its owner", path.display());
        Finding::error(SECRETS, message, format!("`chmod 600 {}`, and replace what is in it", path.display()))
    });
    let findings: Vec<Finding> = unusable.chain(open).collect();
    if findings.is_empty() {
        return vec![Finding::ok(SECRETS, "it can be read by root alone")];
    }
    findings
}

fn unusable(path: &Path) -> Option<Finding> {
    let why = match secret_file::read(path) {
        Ok(content) => match WebhookSecret::new(&content) {
            Ok(_) => return None,
            Err(error) => format!("`{}`: {error}", path.display()),
        },
        Err(error) => chain(&error),
    };
    let way_out = "put the secret of the webhook there, the same as on GitHub, and restart both programs";
    Some(Finding::error(SECRETS, why, way_out))
}

/// What cannot be looked at is told by who reads it.
fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0)
}

async fn daemon(layout: &Layout) -> Finding {
    let layout = layout.clone();
    match spawn_blocking(move || control::ask(&layout, Request::Status)).await {
        Ok(answer) => daemon_says(answer),
        Err(error) => Finding::unknown(BERTHD, &error),
    }
}

fn daemon_says(answer: Result<Option<Answer>, ControlError>) -> Finding {
    match answer {
        Ok(Some(Answer::Status { since, doing })) => {
            let since = since.strftime("%F %T UTC");
            Finding::ok(
                BERTHD,
                format!(
                    "it runs since {since} and works on {}",
                    counted(doing.len(), "pull request", "pull requests")
                ),
            )
        }
        Ok(Some(Answer::Done | Answer::Refused { .. })) => {
            Finding::warning(BERTHD, "it gives no account of itself", "`systemctl restart berthd`")
        }
        Ok(None) => Finding::error(
            BERTHD,
            "it does not run: no pull request is followed, and nothing is started after a reboot",
            "`systemctl enable --now berthd`, and look at its log if it ends",
        ),
        Err(error) => Finding::error(
            BERTHD,
            format!("it does not answer: {}", chain(&error)),
            "look at its log, and restart it",
        ),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
