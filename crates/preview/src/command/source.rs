//! What is to be deployed, as it is named on the command line.

use std::ffi::OsStr;
use std::str::FromStr;

use berth_core::repo::RepoNameError;
use berth_core::{BranchName, CommitSha, PullNumber, RepoName};
use berth_host::previews::Source;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;

// No documentation: clap would take it for the description of the command.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// The repository
    #[arg(value_name = "OWNER/REPO", value_parser = Repository)]
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

/// Reads the name of a repository. People paste addresses with a token in
/// them, so these are not shown as they were given, as clap would do.
#[derive(Clone, Debug)]
struct Repository;

impl TypedValueParser for Repository {
    type Value = RepoName;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<RepoName, clap::Error> {
        match value.to_str().map(RepoName::from_str) {
            Some(Err(error @ RepoNameError::Address { .. })) => {
                let message = format!("invalid value for '<OWNER/REPO>': {error}\n");
                Err(clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command))
            }
            Some(Ok(_) | Err(_)) | None => RepoName::from_str.parse_ref(command, argument, value),
        }
    }
}
