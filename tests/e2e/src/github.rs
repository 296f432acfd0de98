//! The GitHub double on a host, and what people do there.

use std::time::Duration;

use berth_github_double::{Command, FaultKind, HookOptions, Role};
use berth_testhost::{TestHost, wait_until};
use serde_json::Value;

use crate::forge::Files;

/// Where it is GitHub: its API and its repositories.
pub(crate) const GITHUB: &str = "http://127.0.0.1:8428";
const CONTROL: &str = "http://127.0.0.1:8429/";
const UNIT: &str = include_str!("units/github-double.service");
/// Berth's account there.
pub const BERTH: &str = "berth-previews[bot]";
/// Who may write in all repositories that the tests make.
pub const MEMBER: &str = "ada";
const SOON: Duration = Duration::from_mins(1);

/// The GitHub of a host.
#[derive(Debug, Clone)]
pub struct GitHub(TestHost);

impl GitHub {
    /// Starts it on a host.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub(crate) fn start(host: &TestHost) -> Self {
        host.write_file("/etc/systemd/system/github-double.service", UNIT, 0o644);
        host.command("systemctl").arg("daemon-reload").ok();
        host.command("systemctl").args(["start", "github-double.service"]).ok();
        let this = Self(host.clone());
        wait_until(SOON, "the double listens", || this.ask(&Command::Calls {}).is_success());
        this
    }

    /// Lets somebody do something, and tells what came of it.
    ///
    /// # Panics
    /// If it cannot be done.
    #[track_caller]
    pub fn run(&self, command: &Command) -> Value {
        let told = self.ask(command);
        assert!(told.is_success(), "{command:?}: {told}");
        serde_json::from_str(&told.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    fn ask(&self, command: &Command) -> berth_testhost::Output {
        let command = serde_json::to_string(command).expect("a command is JSON");
        let arguments = ["-sS", "--fail-with-body", "--max-time", "60", "--data-binary", "@-", CONTROL];
        self.0.command("curl").args(arguments).stdin(command).run()
    }

    /// Sends events to `preview-webhook`, as these options have it.
    ///
    /// # Panics
    /// If it cannot be told.
    #[track_caller]
    pub fn deliver(&self, options: HookOptions) {
        self.run(&Command::Hooks(options));
    }

    /// A repository with these files on `main`, in which [`MEMBER`] may write.
    ///
    /// # Panics
    /// If it cannot be made.
    #[track_caller]
    pub fn repository(&self, name: &str, files: &Files) -> String {
        self.make(name, files, false);
        name.to_owned()
    }

    /// The same, which only some may read.
    ///
    /// # Panics
    /// If it cannot be made.
    #[track_caller]
    pub fn private_repository(&self, name: &str, files: &Files) -> String {
        self.make(name, files, true);
        name.to_owned()
    }

    #[track_caller]
    fn make(&self, name: &str, files: &Files, private: bool) {
        let (repo, files) = (name.to_owned(), files.texts());
        self.run(&Command::AddRepo { repo, private, installed: true, files });
        self.role(name, MEMBER, Role::Write);
    }

    /// Gives somebody a role in a repository.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn role(&self, repo: &str, user: &str, role: Role) {
        self.run(&Command::SetRole { repo: repo.to_owned(), user: user.to_owned(), role });
    }

    /// Copies a repository to another account.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn fork(&self, repo: &str, to: &str) {
        self.run(&Command::Fork { repo: repo.to_owned(), to: to.to_owned() });
    }

    /// A personal token that reads what its owner may read.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn reading_token(&self, user: &str) -> String {
        let permissions = [("contents".to_owned(), "read".to_owned())].into();
        let made = self.run(&Command::PersonalToken { user: user.to_owned(), permissions });
        made["token"].as_str().expect("a token").to_owned()
    }

    /// Waits until everything is delivered that will be.
    ///
    /// # Panics
    /// If the double does not answer.
    #[track_caller]
    pub fn settle(&self) {
        self.run(&Command::Settle {});
    }

    /// Lets so many of the next calls go wrong whose path has this part.
    ///
    /// # Panics
    /// If the double does not answer.
    #[track_caller]
    pub fn fail(&self, method: Option<&str>, path: &str, times: u32, kind: FaultKind) {
        let (method, path) = (method.map(str::to_owned), path.to_owned());
        self.run(&Command::Fault { method, path, times, kind });
    }

    /// Commits these files to a branch, and returns the commit's hash.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn push(&self, repo: &str, branch: &str, files: &[(&str, &str)]) -> String {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect();
        let (repo, branch) = (repo.to_owned(), branch.to_owned());
        let pushed = self.run(&Command::Push { repo, branch, files, message: None, by: None });
        pushed["sha"].as_str().expect("a hash").to_owned()
    }

    /// Opens a pull request of a branch by [`MEMBER`].
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn open(&self, repo: &str, branch: &str) -> PullRequest {
        self.open_from(repo, None, branch, MEMBER, false)
    }

    /// Opens one, perhaps from a fork or as a draft.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn open_from(
        &self,
        repo: &str,
        from: Option<&str>,
        branch: &str,
        by: &str,
        draft: bool,
    ) -> PullRequest {
        let opened = self.run(&Command::Open {
            repo: repo.to_owned(),
            from: from.map(str::to_owned),
            branch: branch.to_owned(),
            by: by.to_owned(),
            draft,
        });
        let number = opened["number"].as_u64().and_then(|number| u32::try_from(number).ok());
        let number = number.unwrap_or_else(|| panic!("no number: {opened}"));
        PullRequest { github: self.clone(), repo: repo.to_owned(), number }
    }
}

/// A pull request there.
#[derive(Debug, Clone)]
pub struct PullRequest {
    github: GitHub,
    repo: String,
    number: u32,
}

impl PullRequest {
    /// The repository that it is to.
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What its preview is called.
    pub fn slug(&self) -> String {
        let name = self.repo.split_once('/').map_or(self.repo.as_str(), |(_, name)| name);
        format!("{name}-{}", self.number)
    }

    /// Closes it without a merge.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn close(&self) {
        self.github.run(&Command::Close { repo: self.repo.clone(), number: self.number, merged: false });
    }

    /// Opens it again.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn reopen(&self) {
        self.github.run(&Command::Reopen { repo: self.repo.clone(), number: self.number });
    }

    /// Makes it a draft, or none.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn draft(&self, draft: bool) {
        self.github.run(&Command::Draft { repo: self.repo.clone(), number: self.number, draft });
    }

    /// Sets a label.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn label(&self, label: &str, by: &str) {
        self.set_label(label, by, false);
    }

    /// Takes a label away.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn unlabel(&self, label: &str, by: &str) {
        self.set_label(label, by, true);
    }

    #[track_caller]
    fn set_label(&self, label: &str, by: &str, remove: bool) {
        let (label, by) = (label.to_owned(), by.to_owned());
        let repo = self.repo.clone();
        self.github.run(&Command::Label { repo, number: self.number, label, by, remove });
    }

    /// Comments on it, and returns the comment's number.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn comment(&self, by: &str, text: &str) -> u64 {
        let (by, text) = (by.to_owned(), text.to_owned());
        let made =
            self.github.run(&Command::Comment { repo: self.repo.clone(), number: self.number, by, text });
        made["id"].as_u64().expect("a number")
    }

    /// All comments on it, as the double shows them.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn comments(&self) -> Vec<Value> {
        let shown = self.github.run(&Command::Comments { repo: self.repo.clone(), number: self.number });
        shown.as_array().expect("a list").clone()
    }

    /// What Berth answered to a comment, as GitHub's words for reactions.
    ///
    /// # Panics
    /// If there is no such comment.
    #[track_caller]
    pub fn reactions(&self, comment: u64) -> Vec<String> {
        let comments = self.comments();
        let one = comments.iter().find(|one| one["id"] == comment).expect("the comment is there");
        let reactions = one["reactions"].as_array().expect("a list").iter();
        let own = reactions.filter(|one| one["by"] == BERTH);
        own.map(|one| one["content"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Every text that Berth's comment has had, the newest last.
    ///
    /// # Panics
    /// If Berth has made more than one comment.
    #[track_caller]
    pub fn told(&self) -> Vec<String> {
        let comments = self.comments();
        let own: Vec<&Value> =
            comments.iter().filter(|one| one["by"] == BERTH && one["deleted"] == false).collect();
        assert!(own.len() <= 1, "one comment for a pull request: {own:#?}");
        let texts = own.first().and_then(|one| one["texts"].as_array());
        let text = |text: &Value| text.as_str().expect("a text").to_owned();
        texts.map(|texts| texts.iter().map(text).collect()).unwrap_or_default()
    }

    /// What Berth's comment says now; nothing when there is none.
    ///
    /// # Panics
    /// If Berth has made more than one comment.
    #[track_caller]
    pub fn says(&self) -> String {
        self.told().pop().unwrap_or_default()
    }

    /// The states that its deployments of this commit have had, in order.
    ///
    /// # Panics
    /// If the double does not answer.
    #[track_caller]
    pub fn deployment_states(&self, commit: &str) -> Vec<String> {
        let all = self.github.run(&Command::Deployments { repo: self.repo.clone() });
        let environment = format!("preview/{}", self.number);
        let its = |one: &&Value| one["sha"] == commit && one["environment"] == environment.as_str();
        let statuses =
            all.as_array().expect("a list").iter().filter(its).filter_map(|one| one["statuses"].as_array());
        statuses.flatten().map(|status| status["state"].as_str().unwrap_or_default().to_owned()).collect()
    }
}
