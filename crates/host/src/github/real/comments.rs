//! The one comment, and reactions to those of others.

use berth_core::comment::MARKER;
use berth_core::{PullNumber, RepoName};
use serde_json::json;

use super::{GitHubApi, PAGES_MAX, PER_PAGE, is_own};
use crate::github::answers::CommentAnswer;
use crate::github::http::Call;
use crate::github::{CommentId, GitHubError, Reaction};

impl GitHubApi {
    pub(super) async fn put_the_comment(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        known: Option<CommentId>,
        text: &str,
    ) -> Result<CommentId, GitHubError> {
        if let Some(id) = known
            && self.edit_comment(repo, pull, id, text).await?
        {
            return Ok(id);
        }
        if let Some(id) = self.find_comment(repo, pull).await?
            && self.edit_comment(repo, pull, id, text).await?
        {
            return Ok(id);
        }
        let path = format!("/repos/{repo}/issues/{pull}/comments");
        let call = Call::post(path, json!({ "body": text }), about(repo, pull));
        Ok(CommentId(self.report(repo, call).await?.json::<CommentAnswer>()?.id))
    }

    pub(super) async fn put_reaction(
        &self,
        repo: &RepoName,
        CommentId(id): CommentId,
        reaction: Reaction,
    ) -> Result<(), GitHubError> {
        let path = format!("/repos/{repo}/issues/comments/{id}/reactions");
        let what = format!("reactions to comment {id} of `{repo}`");
        // Sent twice it is one: GitHub answers 200 instead of 201.
        let call = Call::post(path, json!({ "content": reaction.word() }), what).repeatable();
        self.report(repo, call).await.map(|_| ())
    }

    /// Whether the comment was there to be edited.
    async fn edit_comment(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        CommentId(id): CommentId,
        text: &str,
    ) -> Result<bool, GitHubError> {
        let path = format!("/repos/{repo}/issues/comments/{id}");
        let call = Call::patch(path, json!({ "body": text }), about(repo, pull));
        match self.report(repo, call).await {
            Ok(_) => Ok(true),
            Err(GitHubError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The oldest comment that begins with the marker and is Berth's own:
    /// anybody can write the marker.
    async fn find_comment(
        &self,
        repo: &RepoName,
        pull: PullNumber,
    ) -> Result<Option<CommentId>, GitHubError> {
        for page in 1..=PAGES_MAX {
            let path = format!("/repos/{repo}/issues/{pull}/comments?per_page={PER_PAGE}&page={page}");
            let answer = self.report(repo, Call::get(path, about(repo, pull))).await?;
            let comments: Vec<CommentAnswer> = answer.json()?;
            for comment in &comments {
                let is_marked =
                    comment.body.as_ref().is_some_and(|body| body.trim_start().starts_with(MARKER));
                if is_marked && is_own(self, comment.user.as_ref()).await? {
                    return Ok(Some(CommentId(comment.id)));
                }
            }
            if comments.len() < PER_PAGE {
                break;
            }
        }
        Ok(None)
    }
}

fn about(repo: &RepoName, pull: PullNumber) -> String {
    format!("the comment on pull request {pull} of `{repo}`")
}
