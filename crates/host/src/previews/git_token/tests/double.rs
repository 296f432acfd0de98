//! The same with git itself, the API's client and a GitHub that has both.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use berth_core::Layout;
use berth_github_double::{APP_ID, APP_KEY, Command, Double, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bed::{Bed, pull};
use crate::agents::chain;
use crate::github::OnDemand;
use crate::progress::{Interrupt, Progress};
use crate::repos::unconfined::UnconfinedGit;

/// A host, and the private `acme/site` on a GitHub with a fork's pull request.
struct Scene {
    double: Double,
    bed: Bed,
    said: Said,
    _folder: TempDir,
}

/// All that a fetch tells.
#[derive(Default)]
struct Said(Mutex<String>);

impl Progress for Said {
    fn step(&self, text: &str) {
        self.line(text);
    }

    fn line(&self, text: &str) {
        *self.0.lock().expect("whole") += &format!("{text}\n");
    }
}

async fn tell(double: &Double, command: Value) -> Value {
    let shown = command.to_string();
    let command = serde_json::from_value(command).expect("a command");
    double.run(command).await.unwrap_or_else(|error| panic!("{shown}: {error:#}"))
}

impl Scene {
    /// `credential` is one of `[github]`, made with the folder of its files.
    async fn new(is_installed: bool, credential: impl AsyncFnOnce(&Double, &Path) -> String) -> Self {
        let double = Double::start(Options::default()).await.expect("started");
        let folder = tempfile::tempdir().expect("a folder");
        let (site, fork) = ("acme/site", "eve/site");
        let installed = is_installed;
        tell(&double, json!({ "do": "add_repo", "repo": site, "private": true, "installed": installed }))
            .await;
        tell(&double, json!({ "do": "fork", "repo": site, "to": fork })).await;
        tell(&double, json!({ "do": "push", "repo": fork, "branch": "fix", "files": { "new": "x" } })).await;
        let opened = json!({ "do": "open", "repo": site, "from": fork, "branch": "fix", "by": "eve" });
        assert_eq!(tell(&double, opened).await["number"], json!(pull().get()));
        let credential = credential(&double, folder.path()).await;
        let base = double.base();
        let config = format!(
            "forge = \"{base}\"\n[github]\napi = \"{base}\"\n{credential}\nwebhook_secret = \"/none\"\n\
             repositories = [\"acme/*\"]\n"
        );
        let mut bed = Bed::new(&config).await;
        bed.host.tools.github = OnDemand::new(bed.host.config.github.as_ref());
        bed.host.tools.repos = Box::new(UnconfinedGit::new(&bed.host.layout));
        Self { double, bed, said: Said::default(), _folder: folder }
    }

    async fn with_app(is_installed: bool) -> Self {
        Self::new(is_installed, async |_, folder| {
            let key = folder.join("app.pem");
            fs::write(&key, APP_KEY).expect("written");
            format!("app_id = \"{APP_ID}\"\napp_key = \"{}\"", key.display())
        })
        .await
    }

    async fn with_person(user: &str) -> Self {
        let user = user.to_owned();
        Self::new(false, async |double, folder| {
            let permissions = [("contents".to_owned(), "read".to_owned())].into();
            let made = double.run(Command::PersonalToken { user, permissions }).await.expect("made");
            let path = folder.join("token");
            fs::write(&path, format!("{}\n", made["token"].as_str().expect("a token"))).expect("written");
            format!("token = \"{}\"", path.display())
        })
        .await
    }

    /// Fetches `main` or the pull request: the commit, or the error with
    /// `FORGE` for the forge.
    async fn fetch(&self, is_pull: bool) -> Result<String, String> {
        let (branch, pull) = if is_pull { ("fix", Some(pull())) } else { ("main", None) };
        let fetched = self.bed.fetch_until(branch, pull, &self.said, &Interrupt::new().1).await;
        let told = |error| chain(&error).replace(self.double.base(), "FORGE");
        fetched.map(|commit| commit.to_string()).map_err(told)
    }

    /// Makes the repository anew, without the App.
    async fn replace(&self, is_private: bool) {
        let site = "acme/site";
        tell(&self.double, json!({ "do": "delete_repo", "repo": site })).await;
        let add = json!({ "do": "add_repo", "repo": site, "private": is_private, "installed": false });
        tell(&self.double, add).await;
    }

    /// Pushes, and tells the commit.
    async fn head(&self, reference: &str) -> String {
        let repo = if reference == "main" { "acme/site" } else { "eve/site" };
        let pushed = tell(&self.double, json!({ "do": "push", "repo": repo, "branch": reference }));
        pushed.await["sha"].as_str().expect("a commit").to_owned()
    }

    async fn tokens_made(&self) -> usize {
        let calls = tell(&self.double, json!({ "do": "calls" })).await;
        let paths = calls.as_array().expect("a list").iter().filter_map(|call| call["path"].as_str());
        paths.filter(|path| path.ends_with("/access_tokens")).count()
    }

    /// Whatever lies on the host, and what was told, has no token in it.
    fn has_told_no_token(&self) {
        let said = self.said.0.lock().expect("whole").clone();
        assert!(!said.contains("ghs_") && !said.contains("github_pat_"), "{said}");
        let layout: &Layout = &self.bed.host.layout;
        let (files, found) = search(&layout.mirrors_dir());
        assert!(files > 5 && found.is_none(), "{files} {found:?}");
    }
}

/// How many files there are, and one with a token in it.
fn search(folder: &Path) -> (usize, Option<String>) {
    let (mut files, mut found) = (0, None);
    for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            let (below, one) = search(&entry);
            (files, found) = (files + below, found.or(one));
        } else {
            files += 1;
            let content = fs::read(&entry).expect("readable");
            let has = |mark: &[u8]| content.windows(mark.len()).any(|part| part == mark);
            if has(b"ghs_") || has(b"github_pat_") {
                found = Some(entry.display().to_string());
            }
        }
    }
    (files, found)
}

#[tokio::test]
async fn a_private_repository_and_its_forks_are_read_with_the_apps_own_token() {
    let scene = Scene::with_app(true).await;
    let (main, fix) = (scene.head("main").await, scene.head("fix").await);
    assert_eq!(scene.fetch(false).await, Ok(main));
    assert_eq!(scene.fetch(true).await, Ok(fix));
    assert_eq!(scene.tokens_made().await, 1, "kept from one fetch to the next");
    scene.has_told_no_token();
}

#[tokio::test]
async fn a_token_that_ended_before_its_time_is_replaced_in_the_same_fetch() {
    let scene = Scene::with_app(true).await;
    scene.fetch(false).await.expect("fetched");
    tell(&scene.double, json!({ "do": "revoke_tokens" })).await;
    scene.fetch(false).await.expect("fetched with another");
    assert_eq!(scene.tokens_made().await, 2);
    scene.has_told_no_token();
}

#[tokio::test]
async fn an_app_that_has_gone_since_its_token_was_made_is_told() {
    let scene = Scene::with_app(true).await;
    scene.fetch(false).await.expect("fetched");
    scene.replace(true).await;
    tell(&scene.double, json!({ "do": "revoke_tokens" })).await;
    let error = scene.fetch(false).await.expect_err("refused");
    assert!(error.contains("the GitHub App is not installed for it"), "{error}");
}

#[tokio::test]
async fn an_app_that_is_not_installed_reads_what_everybody_may() {
    let scene = Scene::with_app(false).await;
    insta::assert_snapshot!(scene.fetch(false).await.expect_err("private"), @"there is no `acme/site` at `FORGE`, or it is private and the GitHub App is not installed for it: install the App there");
    scene.replace(false).await;
    scene.fetch(false).await.expect("public");
    assert_eq!(scene.tokens_made().await, 0);
}

#[tokio::test]
async fn a_persons_token_reads_what_the_person_may() {
    let scene = Scene::with_person("acme").await;
    let main = scene.head("main").await;
    assert_eq!(scene.fetch(false).await, Ok(main));
    scene.has_told_no_token();
    let stranger = Scene::with_person("mallory").await;
    insta::assert_snapshot!(stranger.fetch(false).await.expect_err("not hers"), @"there is no `acme/site` at `FORGE`, or the token may not read it");
}
