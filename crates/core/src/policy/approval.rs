//! Approvals: somebody who may write has looked at one commit of a stranger's.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::pull::is_same_label;
use super::{Login, Permission, Policy, Pull};
use crate::CommitSha;
use crate::delivery::CommitPrefix;

/// That somebody with write permission approved one commit. It is made by
/// [`Approval::by_label`] and [`Approval::by_comment`] only, or read back from
/// where one of those was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The commit.
    pub commit: CommitSha,
    /// Who approved it.
    pub by: Login,
    /// How.
    pub how: How,
}

/// How a commit was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// By the label, and only while it is there.
    Label,
    /// By a comment that names the commit.
    Comment,
}

/// Why something that was meant as an approval is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotApproved {
    /// The account may not push to the repository.
    #[error("`{by}` has the permission `{permission}` here: only who may write approves a preview")]
    Permission {
        /// The account.
        by: Login,
        /// What it may.
        permission: Permission,
    },
    /// The commit is not the head, or not any more.
    #[error("`{named}` is not the newest commit: that is `{}` now, look at it and approve it", head.short())]
    OtherCommit {
        /// What was approved.
        named: String,
        /// The head.
        head: CommitSha,
    },
    /// The label is another one, or it is not there any more.
    #[error("the label `{label}` approves nothing here")]
    OtherLabel {
        /// The label.
        label: String,
    },
}

impl Approval {
    /// What the setting of a label approves: the commit that was the head in
    /// its own delivery, if it still is.
    ///
    /// `pull` and `permission` are what the API says now; `delivered` is the
    /// head commit in the delivery of the event.
    pub fn by_label(
        pull: &Pull,
        policy: &Policy,
        label: &str,
        delivered: &CommitSha,
        by: &Login,
        permission: Permission,
    ) -> Result<Self, NotApproved> {
        if !is_same_label(label, &policy.labels.force) || !pull.has_label(label) {
            return Err(NotApproved::OtherLabel { label: label.escape_debug().to_string() });
        }
        check(delivered == &pull.head, delivered.short(), pull, by, permission)?;
        Ok(Self { commit: pull.head.clone(), by: by.clone(), how: How::Label })
    }

    /// What `/preview SHA` approves: the head commit, if it is the one that it
    /// names. `pull` and `permission` are what the API says now.
    pub fn by_comment(
        pull: &Pull,
        named: &CommitPrefix,
        by: &Login,
        permission: Permission,
    ) -> Result<Self, NotApproved> {
        check(named.matches(&pull.head), named.as_str(), pull, by, permission)?;
        Ok(Self { commit: pull.head.clone(), by: by.clone(), how: How::Comment })
    }

    /// Whether this approves the pull request as it is now.
    pub(super) fn holds(&self, pull: &Pull, policy: &Policy) -> bool {
        let is_there = match self.how {
            How::Label => pull.has_label(&policy.labels.force),
            How::Comment => true,
        };
        is_there && self.commit == pull.head
    }
}

fn check(
    is_head: bool,
    named: &str,
    pull: &Pull,
    by: &Login,
    permission: Permission,
) -> Result<(), NotApproved> {
    if !permission.may_write() {
        return Err(NotApproved::Permission { by: by.clone(), permission });
    }
    if !is_head {
        return Err(NotApproved::OtherCommit { named: named.to_owned(), head: pull.head.clone() });
    }
    Ok(())
}
