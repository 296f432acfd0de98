//! Deployments on this host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use berth_core::comment;
use berth_core::config::{Config, GitHubConfig};
use berth_core::lane::{Site, SiteState};
use berth_core::{Layout, Name, PreviewPhase, PullNumber, RepoName, Wanted as WantedPhase};
use berth_host::Host;
use berth_host::agents::Actor;
use berth_host::previews::{self, CreateOptions, PreviewError, Source, UpdateOptions};
use berth_host::state::{PreviewRecord, StateError};

use super::{Deployer, Fault, Found, Wanted, Work};

/// The operations of `berth_host::previews`, done by `berthd`.
pub struct HostDeployer {
    host: Arc<Host>,
    by: Actor,
}

impl HostDeployer {
    /// Those on this host, written into the events under this name.
    pub fn new(host: Arc<Host>, by: Actor) -> Self {
        Self { host, by }
    }

    async fn record(&self, repo: &RepoName, pull: PullNumber) -> Result<Option<PreviewRecord>, StateError> {
        let records = self.host.state.previews().await?;
        Ok(records.into_iter().find(|record| record.repo == *repo && record.pull == Some(pull)))
    }

    fn fault(&self, error: &PreviewError) -> Fault {
        let secrets = self.secrets();
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.as_str()).collect();
        Fault::of(error, |text| comment::scrub(text, &secrets))
    }

    /// All secrets of the host that may have been said: what services of
    /// previews were given, and what Berth itself shows to others. Of what git
    /// says, the token that it has is [taken out](berth_host::repos::Repos::fetch)
    /// already.
    fn secrets(&self) -> Vec<zeroize::Zeroizing<String>> {
        secret_files(&self.host.layout, &self.host.config).iter().filter_map(|path| text(path)).collect()
    }
}

fn secret_files(layout: &Layout, config: &Config) -> Vec<PathBuf> {
    let preview = config.preview.iter();
    let granted = preview.flat_map(|preview| {
        preview.secrets.iter().map(|grant| grant.source.clone()).chain(preview.token.clone())
    });
    let github = config.github.iter().flat_map(GitHubConfig::secret_files).map(Path::to_path_buf);
    let passwords = std::fs::read_dir(layout.secrets_dir()).into_iter().flatten().flatten();
    granted.chain(github).chain(passwords.map(|entry| entry.path())).collect()
}

fn text(path: &Path) -> Option<zeroize::Zeroizing<String>> {
    std::fs::read_to_string(path).ok().map(zeroize::Zeroizing::new)
}

fn site(record: &PreviewRecord) -> Site {
    let state = match record.phase {
        PreviewPhase::Ready | PreviewPhase::Running if record.wanted != WantedPhase::Absent => {
            SiteState::Serves
        }
        PreviewPhase::Failed if record.wanted != WantedPhase::Absent => SiteState::Failed,
        PreviewPhase::Ready
        | PreviewPhase::Running
        | PreviewPhase::Failed
        | PreviewPhase::Building
        | PreviewPhase::Creating
        | PreviewPhase::SettingUp
        | PreviewPhase::Updating
        | PreviewPhase::Destroying
        | PreviewPhase::Gone => SiteState::HalfWay,
    };
    Site { commit: record.commit.clone(), is_trusted: record.is_trusted, state }
}

#[async_trait]
impl Deployer for HostDeployer {
    async fn find(&self, repo: &RepoName, pull: PullNumber) -> Result<Option<Found>, StateError> {
        let Some(record) = self.record(repo, pull).await? else { return Ok(None) };
        let urls = previews::view(&self.host, &record.slug).await.map(|view| view.urls).unwrap_or_default();
        let (site, deployed_at) = (site(&record), record.deployed_at);
        Ok(Some(Found { slug: record.slug, site, urls, deployed_at }))
    }

    async fn create(&self, wanted: &Wanted, work: Work<'_>) -> Result<(), Fault> {
        let options = CreateOptions {
            source: Source {
                repo: wanted.repo.clone(),
                branch: wanted.branch.clone(),
                pull: Some(wanted.pull),
                commit: Some(wanted.commit.clone()),
            },
            slug: None,
            ttl: None,
            wait: true,
            keeps_failed: true,
            is_trusted: wanted.is_trusted,
        };
        let created = previews::create(&self.host, options, &self.by, work.progress, work.interrupt).await;
        created.map(|_| ()).map_err(|error| self.fault(&error))
    }

    async fn update(
        &self,
        slug: &Name,
        wanted: &Wanted,
        is_forced: bool,
        work: Work<'_>,
    ) -> Result<(), Fault> {
        let options = UpdateOptions { commit: Some(wanted.commit.clone()), is_forced };
        let updated =
            previews::update(&self.host, slug, options, &self.by, work.progress, work.interrupt).await;
        updated.map(|_| ()).map_err(|error| self.fault(&error))
    }

    async fn destroy(&self, slug: &Name, work: Work<'_>) -> Result<(), Fault> {
        let destroyed = previews::destroy(&self.host, slug, &self.by, work.progress).await;
        destroyed.map(|_| ()).map_err(|error| self.fault(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn everything_secret_on_the_host_is_looked_for_in_what_was_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::below(folder.path());
        fs::create_dir_all(layout.secrets_dir()).expect("made");
        fs::write(layout.secrets_dir().join("d42"), "a password").expect("written");
        let config = |credential: &str| {
            let text = format!(
                "[preview]\ndomain = \"example.com\"\ntoken = \"/s/forge\"\n[[preview.secret]]\nname = \"A\"\n\
                 source = \"/s/granted\"\nrepositories = [\"acme/site\"]\n[github]\n{credential}\n\
                 webhook_secret = \"/s/new\"\nwebhook_secret_previous = \"/s/old\"\nrepositories = [\"acme/*\"]"
            );
            Config::parse(&text).unwrap_or_else(|error| panic!("{error}"))
        };
        let listed = |config: &Config| {
            let files = secret_files(&layout, config);
            files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        let password = layout.secrets_dir().join("d42").display().to_string();
        let app = config("app_id = 1\napp_key = \"/s/key\"");
        assert_eq!(listed(&app), format!("/s/granted /s/forge /s/key /s/new /s/old {password}"));
        let person = config("token = \"/s/api\"");
        assert_eq!(listed(&person), format!("/s/granted /s/forge /s/api /s/new /s/old {password}"));
        assert_eq!(listed(&Config::parse("").expect("the defaults")), password);
    }
}
