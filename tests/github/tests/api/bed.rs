//! A double with a repository, and a client for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use berth_core::{CommitSha, PullNumber, RepoName};
use berth_github_double::{APP_ID, APP_KEY, Command, Double, FaultKind, Options};
use berth_host::github::{AppKey, Credentials, GitHubApi, GitHubOptions};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) struct Bed {
    pub(crate) double: Double,
    pub(crate) api: GitHubApi,
    ahead: Arc<AtomicI64>,
}

pub(crate) fn site() -> RepoName {
    "acme/site".parse().expect("a repository")
}

pub(crate) fn number(number: u32) -> PullNumber {
    number.try_into().expect("a number")
}

impl Bed {
    /// `acme/site`, private, with a branch `fix`, and the App as client.
    pub(crate) async fn new() -> Self {
        let double = Double::start(Options::default()).await.expect("started");
        let ahead = Arc::new(AtomicI64::new(0));
        let api = client(&double, &ahead, app());
        let bed = Self { double, api, ahead };
        let files = [("readme".to_owned(), "hello".to_owned())].into();
        bed.run(Command::AddRepo { repo: "acme/site".into(), private: true, installed: true, files }).await;
        bed.push("fix", "one").await;
        bed
    }

    /// Another client of the same double.
    pub(crate) fn client(&self, credentials: Credentials) -> GitHubApi {
        client(&self.double, &self.ahead, credentials)
    }

    pub(crate) async fn person(&self, user: &str, permissions: &[(&str, &str)]) -> Credentials {
        let permissions = map(permissions);
        let made = self.run(Command::PersonalToken { user: user.to_owned(), permissions }).await;
        Credentials::Person(SecretString::from(made["token"].as_str().expect("a token")))
    }

    pub(crate) async fn run(&self, command: Command) -> Value {
        let shown = format!("{command:?}");
        self.double.run(command).await.unwrap_or_else(|error| panic!("{shown}: {error:#}"))
    }

    /// A command in its written form.
    pub(crate) async fn tell(&self, command: Value) -> Value {
        self.run(serde_json::from_value(command).expect("a command")).await
    }

    pub(crate) async fn push(&self, branch: &str, content: &str) -> CommitSha {
        let pushed = self.tell(
            json!({ "do": "push", "repo": "acme/site", "branch": branch, "files": { "file": content } }),
        );
        pushed.await["sha"].as_str().expect("a commit").parse().expect("a commit")
    }

    pub(crate) async fn open(&self, branch: &str) -> CommitSha {
        let opened =
            self.tell(json!({ "do": "open", "repo": "acme/site", "branch": branch, "by": "Ada" })).await;
        opened["sha"].as_str().expect("a commit").parse().expect("a commit")
    }

    /// Lets calls go wrong.
    pub(crate) async fn fault(&self, method: &str, path: &str, times: u32, kind: FaultKind) {
        self.run(Command::Fault { method: Some(method.to_owned()), path: path.to_owned(), times, kind })
            .await;
    }

    /// Puts the clocks of both sides forward.
    pub(crate) async fn advance(&self, seconds: u32) {
        self.ahead.fetch_add(seconds.into(), Ordering::SeqCst);
        self.run(Command::Advance { seconds }).await;
    }

    /// The calls so far: `GET /app 200`.
    pub(crate) async fn calls(&self) -> Vec<String> {
        let calls = self.run(Command::Calls {}).await;
        let shown = |call: &Value| {
            let text = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("method"), text("path"), call["status"])
        };
        calls.as_array().expect("a list").iter().map(shown).collect()
    }

    pub(crate) async fn calls_to(&self, part: &str) -> usize {
        self.calls().await.iter().filter(|call| call.contains(part)).count()
    }

    pub(crate) async fn comments(&self, number: u32) -> Value {
        self.run(Command::Comments { repo: "acme/site".into(), number }).await
    }
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, level)| (name.to_owned(), level.to_owned())).collect()
}

pub(crate) fn app() -> Credentials {
    let key = AppKey::from_pem(APP_KEY.as_bytes()).expect("a key");
    Credentials::App { id: APP_ID.parse().expect("an id"), key }
}

fn client(double: &Double, ahead: &Arc<AtomicI64>, credentials: Credentials) -> GitHubApi {
    let ahead = ahead.clone();
    let options = GitHubOptions {
        base: double.base().parse().expect("a base"),
        timeout: Duration::from_secs(5),
        pause: Duration::from_millis(1),
        now: Arc::new(move || Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::SeqCst))),
    };
    GitHubApi::new(credentials, options).expect("a client")
}
