//! What tests tell the double to do: what people do on GitHub, and what goes
//! wrong there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A command, as JSON `{"do": "push", …}`. The answer is JSON too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Makes a repository with one commit of these files on `main`; `{"sha"}`.
    AddRepo {
        /// `owner/name`.
        repo: String,
        /// Whether only some may read it.
        #[serde(default)]
        private: bool,
        /// Whether the App is installed for it.
        #[serde(default = "yes")]
        installed: bool,
        /// Its files.
        #[serde(default)]
        files: BTreeMap<String, String>,
    },
    /// Copies a repository to another account.
    Fork {
        /// The original.
        repo: String,
        /// The copy, `owner/name`.
        to: String,
    },
    /// Deletes a repository; pull requests from it stay.
    DeleteRepo {
        /// Which.
        repo: String,
    },
    /// Archives a repository.
    Archive {
        /// Which.
        repo: String,
    },
    /// Gives somebody a role in a repository.
    SetRole {
        /// The repository.
        repo: String,
        /// The account.
        user: String,
        /// The role.
        role: Role,
    },
    /// Makes a personal access token; `{"token"}`. Permissions as an App's:
    /// `{"pull_requests": "write"}`.
    PersonalToken {
        /// Whose.
        user: String,
        /// What it may.
        permissions: BTreeMap<String, String>,
    },
    /// What the App is granted by all its installations, from now on.
    Grant {
        /// What it may.
        permissions: BTreeMap<String, String>,
    },
    /// Ends all tokens of the App at once.
    RevokeTokens {},
    /// Commits to a branch, which is made from `main` where it is missing;
    /// `{"sha"}`. A file that is `null` is removed. Pull requests from the
    /// branch follow.
    Push {
        /// The repository.
        repo: String,
        /// The branch.
        branch: String,
        /// What changes.
        #[serde(default)]
        files: BTreeMap<String, Option<String>>,
        /// The commit's message.
        #[serde(default)]
        message: Option<String>,
        /// Who pushes; the owner of the repository when nothing.
        #[serde(default)]
        by: Option<String>,
    },
    /// Opens a pull request; `{"number", "sha"}`.
    Open {
        /// Where to.
        repo: String,
        /// The repository of its branch, when that is a fork.
        #[serde(default)]
        from: Option<String>,
        /// Its branch.
        branch: String,
        /// Who opens it.
        by: String,
        /// Whether it is a draft.
        #[serde(default)]
        draft: bool,
    },
    /// Adds pull requests of a branch at once, without events: for long lists;
    /// `{"numbers"}`.
    OpenMany {
        /// Where to.
        repo: String,
        /// The branch of all.
        branch: String,
        /// How many.
        count: u32,
    },
    /// Closes a pull request.
    Close {
        /// Where.
        repo: String,
        /// Which.
        number: u32,
        /// Whether it is merged.
        #[serde(default)]
        merged: bool,
    },
    /// Opens it again.
    Reopen {
        /// Where.
        repo: String,
        /// Which.
        number: u32,
    },
    /// Changes whether it is a draft.
    Draft {
        /// Where.
        repo: String,
        /// Which.
        number: u32,
        /// Whether it is one.
        draft: bool,
    },
    /// Sets a label or takes it away.
    Label {
        /// Where.
        repo: String,
        /// Which.
        number: u32,
        /// The label.
        label: String,
        /// Who does it.
        by: String,
        /// Whether it is taken away.
        #[serde(default)]
        remove: bool,
    },
    /// Comments on a pull request; `{"id"}`.
    Comment {
        /// Where.
        repo: String,
        /// Which.
        number: u32,
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// Deletes a comment.
    DeleteComment {
        /// Which.
        id: u64,
    },
    /// Says where events go and how badly; nothing is delivered before.
    Hooks(HookOptions),
    /// Waits until everything is delivered that will be.
    Settle {},
    /// Delivers something again, under the same id.
    Redeliver {
        /// The id.
        id: String,
    },
    /// All deliveries with what was answered, `[{"id", "event", "action",
    /// "repo", "number", "sha", "lost", "answers"}]`; 0 is a receiver that was
    /// not reached.
    Deliveries {},
    /// Lets calls go wrong.
    Fault {
        /// The method; any when nothing.
        #[serde(default)]
        method: Option<String>,
        /// A part of the path; any when nothing.
        #[serde(default)]
        path: String,
        /// How often.
        #[serde(default = "once")]
        times: u32,
        /// How.
        kind: FaultKind,
    },
    /// Takes back all faults.
    ClearFaults {},
    /// Leaves everybody this many calls until the end of the hour.
    LimitCalls {
        /// How many.
        remaining: u32,
    },
    /// Puts the clock forward.
    Advance {
        /// How far.
        seconds: u32,
    },
    /// All calls so far, `[{"method", "path", "query", "who", "status",
    /// "body"}]`.
    Calls {},
    /// The comments on a pull request with all their texts, `[{"id", "by",
    /// "texts", "reactions": [{"by", "content"}], "deleted"}]`.
    Comments {
        /// Where.
        repo: String,
        /// Which.
        number: u32,
    },
    /// The deployments of a repository, `[{"id", "sha", "environment",
    /// "deleted", "statuses"}]`.
    Deployments {
        /// Where.
        repo: String,
    },
}

/// Where events go, and how badly.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookOptions {
    /// `http://` and where the receiver is.
    pub url: String,
    /// What they are signed with.
    pub secret: String,
    /// What decides about the rest: the same seed, the same fate.
    #[serde(default)]
    pub seed: u64,
    /// How many of a hundred are lost.
    #[serde(default)]
    pub lost: u8,
    /// How many of a hundred come twice.
    #[serde(default)]
    pub twice: u8,
    /// Each comes after a time of at most this many milliseconds, so that the
    /// order changes; in order when 0.
    #[serde(default)]
    pub delay: u64,
}

/// What somebody may do in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "GitHub's own words")]
pub enum Role {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

/// What goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Nothing is done, and this status is answered.
    Status(u16),
    /// It is done, and the answer is lost: 502.
    LostAnswer,
    /// A secondary limit, with this many seconds in `retry-after` if any.
    SecondaryLimit(Option<u32>),
    /// The answer comes after this many milliseconds.
    Slow(u64),
    /// The answer breaks off in the middle.
    Malformed,
    /// A redirect to this address.
    Redirect(String),
}

fn yes() -> bool {
    true
}

fn once() -> u32 {
    1
}
