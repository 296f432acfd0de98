//! What people ask for on a pull request.

use serde::{Deserialize, Serialize};

use crate::CommitSha;
use crate::policy::{Approval, CommitPrefix, Login, NotApproved, Permission, Policy, Pull};

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

impl Wish {
    /// What this wish means for the pull request as it is now.
    pub fn granted(
        &self,
        pull: &Pull,
        policy: &Policy,
        by: &Login,
        permission: Permission,
    ) -> Result<Granted, NotApproved> {
        let may = || {
            if permission.may_write() {
                Ok(())
            } else {
                Err(NotApproved::Permission { by: by.clone(), permission })
            }
        };
        match self {
            Self::Label { label, head } => {
                Approval::by_label(pull, policy, label, head, by, permission).map(Granted::Approved)
            }
            Self::Approve { named } => {
                Approval::by_comment(pull, named, by, permission).map(Granted::Approved)
            }
            Self::Deploy => may().map(|()| Granted::Deploy),
            Self::Rebuild => may().map(|()| Granted::Rebuild),
            Self::Destroy => may().map(|()| Granted::Destroy(pull.head.clone())),
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
