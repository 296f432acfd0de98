//! The program `preview`, and previews that end with the test.

use std::sync::Arc;

use berth_testhost::{HostCommand, Output, TestHost};
use serde_json::Value;

use crate::destroyed::destroy_on_drop;
use crate::preview_host::{DOMAIN, PreviewHost};
use crate::web::{Answer, Load};
use crate::{Repository, json};

/// The program `preview` as root runs it on the host.
pub fn preview<'h>(host: &'h TestHost, words: &[&str]) -> HostCommand<'h> {
    host.command("preview").args(words)
}

/// A preview of one test. It is destroyed with the value, also when the test
/// fails.
#[derive(Debug)]
pub struct Preview {
    host: Arc<PreviewHost>,
    slug: String,
    is_kept: bool,
}

impl Preview {
    /// Deploys `main` of a repository.
    ///
    /// # Panics
    /// If it cannot be deployed.
    #[track_caller]
    pub fn create(host: &Arc<PreviewHost>, repository: &Repository) -> Self {
        Self::create_with(host, repository, "main", &[])
    }

    /// Deploys a branch with these options.
    ///
    /// # Panics
    /// If it cannot be deployed.
    #[track_caller]
    pub fn create_with(
        host: &Arc<PreviewHost>,
        repository: &Repository,
        branch: &str,
        options: &[&str],
    ) -> Self {
        let create =
            preview(host, &["create", "--json"]).args(options).args(["--", repository.name(), branch]);
        let created = json(&create.ok());
        Self::attach(host, created["slug"].as_str().expect("a slug"))
    }

    /// The preview of this slug, be it there already or still to come.
    pub fn attach(host: &Arc<PreviewHost>, slug: &str) -> Self {
        Self { host: Arc::clone(host), slug: slug.to_owned(), is_kept: false }
    }

    /// Its slug.
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// `preview COMMAND SLUG`.
    pub fn command(&self, command: &str) -> HostCommand<'_> {
        preview(&self.host, &[command, &self.slug])
    }

    /// Brings it to the newest commit and returns how that was done.
    ///
    /// # Panics
    /// If it cannot be updated.
    #[track_caller]
    pub fn update(&self) -> String {
        self.update_with(&[])
    }

    /// The same with these options.
    ///
    /// # Panics
    /// If it cannot be updated.
    #[track_caller]
    pub fn update_with(&self, options: &[&str]) -> String {
        let updated = json(&self.command("update").arg("--json").args(options).ok());
        updated["update"].as_str().expect("how").to_owned()
    }

    /// A line of shell inside, as the user of the services.
    pub fn run(&self, line: &str) -> HostCommand<'_> {
        self.command("run").args(["--", "sh", "-c", line])
    }

    /// A line of shell inside, as the root of the container.
    pub fn run_as_root(&self, line: &str) -> HostCommand<'_> {
        self.command("run").args(["--root", "--", "sh", "-c", line])
    }

    /// What it answers for a path.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.host.get(&self.slug, path)
    }

    /// The content of what it answers with status 200.
    ///
    /// # Panics
    /// If it answers something else.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// What one of its extra hosts answers.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn get_extra(&self, prefix: &str, path: &str) -> Answer {
        self.host.get(&format!("{prefix}-{}", self.slug), path)
    }

    /// Begins a steady load of requests.
    ///
    /// # Panics
    /// If it is not answered.
    #[track_caller]
    pub fn load(&self, path: &str) -> Load {
        Load::begin(&self.host, &format!("{}.{DOMAIN}", self.slug), path)
    }

    /// What `preview info --json` says of it.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn info(&self) -> Value {
        json(&self.command("info").arg("--json").ok())
    }

    /// A text of [`Self::info`].
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn field(&self, key: &str) -> String {
        let info = self.info();
        info[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {info}")).to_owned()
    }

    /// Its state.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn state(&self) -> String {
        self.field("state")
    }

    /// Its container on the host, such as `p12`.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn container(&self) -> String {
        self.field("container")
    }

    /// Destroys it now.
    ///
    /// # Panics
    /// If it cannot be destroyed.
    #[track_caller]
    pub fn destroy(mut self) -> Output {
        self.is_kept = true;
        self.command("destroy").ok()
    }

    /// Leaves it to the test to destroy it.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        if self.is_kept || !self.host.is_up() {
            return;
        }
        destroy_on_drop(&self.command("destroy"));
    }
}
