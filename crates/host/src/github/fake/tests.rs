use berth_core::Layout;
use berth_core::policy::Origin;

use super::*;

struct Bed {
    world: FakeWorld,
    github: FakeGitHub,
    _folder: tempfile::TempDir,
}

fn site() -> RepoName {
    "acme/site".parse().expect("a repository")
}

fn seven() -> PullNumber {
    "7".parse().expect("a number")
}

fn commit(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a commit")
}

fn pull(state: PullState) -> Pull {
    Pull {
        repo: site(),
        number: seven(),
        state,
        is_merged: false,
        is_draft: false,
        head: commit('a'),
        head_branch: Some("fix".parse().expect("a branch")),
        origin: Origin::Branch,
        base_branch: Some("main".parse().expect("a branch")),
        labels: Vec::new(),
        author: Login::ghost(),
    }
}

fn bed() -> Bed {
    let folder = tempfile::tempdir().expect("a folder");
    let world = FakeWorld::new(&Layout::below(folder.path()));
    world.github_pull(&pull(PullState::Open));
    Bed { github: FakeGitHub::new(&world), world, _folder: folder }
}

fn text(state: &str) -> String {
    format!("{MARKER}\n{state}")
}

#[tokio::test]
async fn a_hidden_repository_is_an_error_and_no_empty_list() {
    let Bed { world, github, .. } = &bed();
    assert_eq!(github.open_pulls(&site()).await.expect("a list"), [pull(PullState::Open)]);
    world.github_pull(&pull(PullState::Closed));
    assert!(github.open_pulls(&site()).await.expect("a list").is_empty());
    assert!(github.pull(&site(), seven()).await.expect("an answer").is_some());
    world.github_hides(&site());
    assert!(matches!(github.open_pulls(&site()).await, Err(GitHubError::NotFound { .. })));
    assert!(matches!(github.pull(&site(), seven()).await, Err(GitHubError::NotFound { .. })));
}

#[tokio::test]
async fn a_comment_is_edited_found_again_or_written_anew() {
    let Bed { world, github, .. } = &bed();
    world.github_comment(&site(), seven(), &text("forged"));
    let id = github.put_comment(&site(), seven(), None, &text("queued")).await.expect("written");
    assert_eq!(github.put_comment(&site(), seven(), Some(id), &text("ready")).await.expect("edited"), id);
    assert_eq!(github.put_comment(&site(), seven(), None, &text("removed")).await.expect("found"), id);
    world.github_deletes_comment(id);
    let anew = github.put_comment(&site(), seven(), Some(id), &text("queued")).await.expect("written");
    assert_ne!(anew, id);
    let comments = world.github_comments(&site(), seven());
    assert_eq!(comments.last().expect("a comment").texts, [text("queued")]);
}

#[tokio::test]
async fn a_lost_answer_leaves_what_was_done() {
    let Bed { world, github, .. } = &bed();
    let number = world.passed().len();
    world.fail_at(number + 1);
    let lost = github.put_comment(&site(), seven(), None, &text("queued")).await;
    assert!(lost.expect_err("the answer is lost").is_temporary());
    assert_eq!(world.github_comments(&site(), seven()).len(), 1);
}

#[tokio::test]
async fn a_success_makes_the_earlier_deployments_inactive() {
    let Bed { world, github, .. } = &bed();
    let environment: Environment = "preview/site-7".parse().expect("an environment");
    let link = "https://site-7.example.com/".parse().expect("a link");
    let success =
        DeploymentStatus { state: DeploymentState::Success(link), log: None, description: String::new() };
    for digit in ['a', 'b'] {
        let id = github.deployment(&site(), &commit(digit), &environment).await.expect("made");
        assert_eq!(github.deployment(&site(), &commit(digit), &environment).await.expect("found"), id);
        github.set_deployment(&site(), id, &success).await.expect("set");
    }
    let words =
        |one: &FakeDeployment| one.statuses.iter().map(|status| status.state.word()).collect::<Vec<_>>();
    let all: Vec<_> = world.github_deployments().iter().map(words).collect();
    assert_eq!(all, [vec!["success", "inactive"], vec!["success"]]);
    github.remove_deployments(&site(), &environment).await.expect("removed");
    assert!(world.github_deployments().is_empty());
}

#[tokio::test]
async fn a_limit_and_a_permission_are_as_the_test_says() {
    let Bed { world, github, .. } = &bed();
    let ada: Login = "ada".parse().expect("a login");
    assert_eq!(github.permission(&site(), &ada).await.expect("an answer"), Permission::None);
    world.github_permits(&site(), &ada, Permission::Write);
    assert_eq!(github.permission(&site(), &ada).await.expect("an answer"), Permission::Write);
    let until = "2026-11-21T09:00:00Z".parse().expect("a time");
    world.github_limits(Some(until));
    let limited = github.permission(&site(), &ada).await;
    assert!(matches!(limited, Err(GitHubError::RateLimited { until: told }) if told == until));
    world.github_limits(None);
    github.token_for(&site()).await.expect("a token");
}

#[tokio::test]
async fn a_reaction_is_there_once_and_only_on_a_comment_that_is() {
    let Bed { world, github, .. } = &bed();
    let id = world.github_comment(&site(), seven(), "/preview");
    for _ in 0..2 {
        github.react(&site(), id, Reaction::ThumbUp).await.expect("set");
    }
    assert_eq!(world.github_reactions(id), [Reaction::ThumbUp]);
    world.github_deletes_comment(id);
    let error = github.react(&site(), id, Reaction::Confused).await.expect_err("it is gone");
    assert!(matches!(error, GitHubError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn without_credentials_nothing_is_answered() {
    let Bed { world, github, .. } = &bed();
    world.github_revokes(true);
    assert!(matches!(github.pull(&site(), seven()).await, Err(GitHubError::Unauthorized { .. })));
    world.github_revokes(false);
    assert!(github.pull(&site(), seven()).await.is_ok());
}
