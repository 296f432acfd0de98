//! What people ask for on a pull request.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::CommitSha;
use crate::policy::{
    Approval, CommitPrefix, Login, NotApproved, Origin, Permission, Policy, Pull, Refusal, Verdict, decide,
};

/// What somebody asked for in an event. Whether they may, and whether it still
/// means something, is asked of the API when the lane is worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// A label was set, on this commit.
    Label {
        /// The label.
        label: String,
        /// The head in the delivery of the event.
        head: CommitSha,
    },
    /// `/preview SHA`.
    Approve {
        /// The commit, or its beginning.
        #[serde(with = "prefix")]
        named: CommitPrefix,
    },
    /// `/preview`.
    Deploy,
    /// `/preview rebuild`.
    Rebuild,
    /// `/preview destroy`.
    Destroy,
    /// A command that is none. It is kept to be answered.
    Malformed {
        /// What was written, escaped and cut.
        text: String,
    },
}

/// A wish of somebody who may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// A commit is approved.
    Approved(Approval),
    /// What was removed or given up is to be tried again.
    Deploy,
    /// The preview is to be made anew, once.
    Rebuild,
    /// The preview of this commit is to go.
    Destroy(CommitSha),
}

/// Why a wish is not granted.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case", deny_unknown_fields)]
pub enum NotGranted {
    /// It is no command.
    #[error("it is no command")]
    Malformed,
    /// The label is another one, it is gone, or nothing needs an approval.
    #[error("the label approves nothing here")]
    Label,
    /// Who asks may not push to the repository.
    #[error("only who may write commands a preview")]
    Permission,
    /// The commit that was approved is not the head, or not any more.
    #[error("the newest commit is `{}`", head.short())]
    OtherCommit {
        /// The head.
        head: CommitSha,
    },
    /// It is a stranger's, and nobody has approved its head.
    #[error("nobody has approved `{}`", head.short())]
    Held {
        /// The head.
        head: CommitSha,
    },
    /// There is no preview, whoever asks.
    #[error("there is no preview: {why}")]
    NoPreview {
        /// The reason.
        why: Refusal,
    },
    /// The pull request is closed.
    #[error("the pull request is closed")]
    Closed,
}

/// What became of a wish, for who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is granted.
    Granted,
    /// It is not.
    Refused(NotGranted),
}

/// A wish that was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Who has it.
    pub by: Login,
    /// The wish.
    pub wish: Wish,
    /// Why it is not granted.
    pub why: NotGranted,
}

impl Wish {
    /// What this wish means for the pull request as it is now, and as it was
    /// approved until now.
    pub fn granted(
        &self,
        pull: &Pull,
        policy: &Policy,
        approvals: &[Approval],
        by: &Login,
        permission: Permission,
    ) -> Result<Granted, NotGranted> {
        let may = if permission.may_write() { Ok(()) } else { Err(NotGranted::Permission) };
        match self {
            Self::Label { label, head } => {
                Approval::by_label(pull, policy, label, head, by, permission).map(Granted::Approved).map_err(
                    // Of the repository's own branches nothing is approved.
                    |reason| if pull.origin == Origin::Branch { NotGranted::Label } else { reason.into() },
                )
            }
            Self::Approve { named } => {
                let approval = Approval::by_comment(pull, named, by, permission);
                approval.map(Granted::Approved).map_err(NotGranted::from)
            }
            Self::Deploy => may.and_then(|()| deployable(pull, policy, approvals)).map(|()| Granted::Deploy),
            Self::Rebuild => {
                may.and_then(|()| deployable(pull, policy, approvals)).map(|()| Granted::Rebuild)
            }
            Self::Destroy => may.map(|()| Granted::Destroy(pull.head.clone())),
            Self::Malformed { .. } => Err(NotGranted::Malformed),
        }
    }

    /// Whether what somebody may do in the repository matters.
    pub fn needs_permission(&self) -> bool {
        match self {
            Self::Label { .. } | Self::Approve { .. } | Self::Deploy | Self::Rebuild | Self::Destroy => true,
            Self::Malformed { .. } => false,
        }
    }
}

/// Whether there can be a preview at all.
fn deployable(pull: &Pull, policy: &Policy, approvals: &[Approval]) -> Result<(), NotGranted> {
    match decide(pull, policy, approvals) {
        Verdict::Deploy { .. } => Ok(()),
        Verdict::Hold { why } => Err(NotGranted::Held { head: why.commit }),
        Verdict::Refuse { why } => Err(NotGranted::NoPreview { why }),
        Verdict::Remove => Err(NotGranted::Closed),
    }
}

impl From<NotApproved> for NotGranted {
    fn from(reason: NotApproved) -> Self {
        match reason {
            NotApproved::Permission { .. } => Self::Permission,
            NotApproved::OtherCommit { head, .. } => Self::OtherCommit { head },
            NotApproved::OtherLabel { .. } => Self::Label,
        }
    }
}

mod prefix {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::policy::CommitPrefix;

    pub(super) fn serialize<S: Serializer>(prefix: &CommitPrefix, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(prefix.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<CommitPrefix, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
