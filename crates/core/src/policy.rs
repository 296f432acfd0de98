//! Who gets a preview, and how far it is trusted.
//!
//! A pull request from a branch of the repository itself is the work of people
//! who may push there, and its preview gets what the operator grants. One from
//! a fork is anybody's: it is held until somebody with write permission
//! approves this exact commit, and even then it gets no secret and no token.
//!
//! What is decided here is decided from what GitHub's API says *now*: payloads
//! only say when to look.

mod allow_list;
mod approval;
mod login;
mod pull;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::allow_list::{AllowList, Owner, RepoPattern, RepoPatternError};
pub use self::approval::{Approval, How, NotApproved};
pub use self::login::{Login, LoginError, Permission};
pub use self::pull::{Origin, Pull, PullState};
pub use crate::delivery::CommitPrefix;
use crate::{CommitSha, RepoName};

/// What the operator wants of pull requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The repositories that get previews.
    pub repositories: AllowList,
    /// What happens to drafts.
    pub drafts: Drafts,
    /// The labels that mean something.
    pub labels: Labels,
}

/// What happens to a pull request that is a draft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drafts {
    /// It gets a preview like any other.
    #[default]
    Deploy,
    /// It gets one when it is ready for review, or by its label.
    Skip,
}

/// The labels that mean something, compared without regard to case as GitHub
/// does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Forces a preview where a draft gets none. Set by somebody with write
    /// permission, it approves the commit that is the head at that moment.
    pub force: String,
    /// Forbids a preview, whatever else is there.
    pub forbid: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self { force: "preview".to_owned(), forbid: "no-preview".to_owned() }
    }
}

/// What should become of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A preview of its head commit.
    Deploy {
        /// Whether it gets what the operator grants to the repository. Without
        /// trust: no secret, no token.
        is_trusted: bool,
    },
    /// Nothing is built until somebody acts. A preview of an earlier commit,
    /// which was approved, stays.
    Hold {
        /// What is waited for.
        why: Hold,
    },
    /// No preview while this is so; an older one goes.
    Refuse {
        /// The reason.
        why: Refusal,
    },
    /// It is over: whatever it had goes.
    Remove,
}

/// What a held pull request waits for: the approval of this commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The commit that would have to be approved.
    pub commit: CommitSha,
    /// The fork; nothing when it was deleted.
    pub fork: Option<RepoName>,
}

/// Why an open pull request gets no preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "refusal", rename_all = "snake_case", deny_unknown_fields)]
pub enum Refusal {
    /// Its repository gets none.
    Repository,
    /// It carries the label that forbids one.
    Label {
        /// That label.
        label: String,
    },
    /// It is a draft, and drafts get none without the label.
    Draft {
        /// The label that would force one.
        label: String,
    },
    /// Its branch has a name that Berth does not take.
    Branch,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => f.write_str("this repository gets no previews"),
            Self::Label { label } => write!(f, "it carries the label `{label}`"),
            Self::Draft { label } => {
                write!(f, "it is a draft: mark it as ready for review, or set the label `{label}`")
            }
            Self::Branch => {
                f.write_str("the name of its branch is too long, or has characters that hide others")
            }
        }
    }
}

/// Decides what should become of a pull request, as the API shows it.
pub fn decide(pull: &Pull, policy: &Policy, approvals: &[Approval]) -> Verdict {
    let refuse = |why| Verdict::Refuse { why };
    let Labels { force, forbid } = &policy.labels;
    if pull.state == PullState::Closed {
        return Verdict::Remove;
    }
    if !policy.repositories.allows(&pull.repo) {
        return refuse(Refusal::Repository);
    }
    if pull.has_label(forbid) {
        return refuse(Refusal::Label { label: forbid.clone() });
    }
    if pull.head_branch.is_none() {
        return refuse(Refusal::Branch);
    }
    if pull.is_draft && policy.drafts == Drafts::Skip && !pull.has_label(force) {
        return refuse(Refusal::Draft { label: force.clone() });
    }
    let hold = |fork| Verdict::Hold { why: Hold { commit: pull.head.clone(), fork } };
    let is_approved = || approvals.iter().any(|approval| approval.holds(pull, policy));
    match &pull.origin {
        Origin::Branch => Verdict::Deploy { is_trusted: true },
        Origin::Fork(_) | Origin::DeletedFork if is_approved() => Verdict::Deploy { is_trusted: false },
        Origin::Fork(fork) => hold(Some(fork.clone())),
        Origin::DeletedFork => hold(None),
    }
}

#[cfg(test)]
mod tests;
