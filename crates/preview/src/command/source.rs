//! What is to be deployed, as it is named on the command line.

use berth_core::{BranchName, CommitSha, PullNumber, RepoName};
use berth_host::previews::Source;

// No documentation: clap would take it for the description of the command.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// The repository
    #[arg(value_name = "OWNER/REPO")]
    repo: RepoName,

    /// The branch; one whose name begins with `-` goes behind `--`
    branch: BranchName,

    /// Deploy the head of this pull request, which comes from that branch
    ///
    /// The commit is taken from `refs/pull/NUMBER/head` of OWNER/REPO, also when
    /// the branch is a fork's.
    #[arg(long, value_name = "NUMBER")]
    pr: Option<PullNumber>,

    /// This commit of it instead of the newest one
    #[arg(long, value_name = "SHA")]
    commit: Option<CommitSha>,
}

impl From<SourceArgs> for Source {
    fn from(args: SourceArgs) -> Self {
        let SourceArgs { repo, branch, pr, commit } = args;
        Self { repo, branch, pull: pr, commit }
    }
}
