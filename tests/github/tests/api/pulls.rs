use berth_core::RepoName;
use berth_core::policy::{Login, Origin, Permission, PullState, RepoPattern};
use berth_github_double::{Command, Role};
use berth_host::github::{GitHub, GitHubError};
use serde_json::json;

use crate::bed::{Bed, number, site};

#[tokio::test]
async fn a_pull_request_is_read_with_all_that_decides_about_it() {
    let bed = Bed::new().await;
    let head = bed.open("fix").await;
    bed.tell(json!({ "do": "label", "repo": "acme/site", "number": 1, "label": "preview", "by": "ada" }))
        .await;
    bed.tell(json!({ "do": "draft", "repo": "acme/site", "number": 1, "draft": true })).await;
    let pull = bed.api.pull(&site(), number(1)).await.expect("an answer").expect("it is there");
    assert_eq!((pull.repo.as_str(), pull.number, pull.state), ("acme/site", number(1), PullState::Open));
    assert_eq!((pull.head, pull.origin, pull.is_draft, pull.is_merged), (head, Origin::Branch, true, false));
    assert_eq!(pull.head_branch.expect("a branch").as_str(), "fix");
    assert_eq!((pull.labels, pull.author.as_str()), (vec!["preview".to_owned()], "ada"));
    bed.tell(json!({ "do": "close", "repo": "acme/site", "number": 1, "merged": true })).await;
    let pull = bed.api.pull(&site(), number(1)).await.expect("an answer").expect("it is there");
    assert!(pull.state == PullState::Closed && pull.is_merged);
    assert!(bed.api.open_pulls(&site()).await.expect("a list").is_empty());
}

#[tokio::test]
async fn a_fork_is_known_and_a_deleted_one_too() {
    let bed = Bed::new().await;
    bed.tell(json!({ "do": "fork", "repo": "acme/site", "to": "Eve/Site" })).await;
    bed.tell(json!({ "do": "push", "repo": "eve/site", "branch": "fix", "files": { "evil": "x" } })).await;
    bed.tell(json!({ "do": "open", "repo": "acme/site", "from": "eve/site", "branch": "fix", "by": "eve" }))
        .await;
    let origin =
        async || bed.api.pull(&site(), number(1)).await.expect("an answer").expect("it is there").origin;
    assert_eq!(origin().await, Origin::Fork("eve/site".parse().expect("a repository")));
    bed.tell(json!({ "do": "delete_repo", "repo": "eve/site" })).await;
    assert_eq!(origin().await, Origin::DeletedFork);
}

#[tokio::test]
async fn a_list_of_many_pages_is_read_whole_and_unchanged_pages_are_free() {
    let bed = Bed::new().await;
    bed.tell(json!({ "do": "open_many", "repo": "acme/site", "branch": "fix", "count": 250 })).await;
    let pulls = bed.api.open_pulls(&site()).await.expect("a list");
    let numbers: Vec<u32> = pulls.iter().map(|pull| pull.number.get()).collect();
    assert_eq!(numbers, (1..=250).collect::<Vec<_>>());
    assert_eq!(bed.calls_to("/pulls 200").await, 3);
    assert_eq!(bed.api.open_pulls(&site()).await.expect("a list"), pulls);
    assert_eq!(bed.calls_to("/pulls 304").await, 3);
    bed.tell(json!({ "do": "close", "repo": "acme/site", "number": 250 })).await;
    assert_eq!(bed.api.open_pulls(&site()).await.expect("a list").len(), 249, "what changed is seen");
}

#[tokio::test]
async fn a_missing_pull_request_is_told_from_a_hidden_repository() {
    let bed = Bed::new().await;
    assert_eq!(bed.api.pull(&site(), number(7)).await.expect("an answer"), None);
    let other = "acme/other".parse().expect("a repository");
    let error = bed.api.open_pulls(&other).await.expect_err("no such repository");
    insta::assert_snapshot!(error, @"GitHub has no repository `acme/other`, or does not show it: check its name, and whether the App is installed for it or the token may read it");
    let error = bed.api.pull(&other, number(7)).await.expect_err("no such repository");
    assert!(matches!(error, GitHubError::NotFound { .. }), "{error}");
    let stranger = bed.client(bed.person("eve", &[("pull_requests", "write")]).await);
    let error = stranger.pull(&site(), number(7)).await.expect_err("a private repository");
    assert!(matches!(error, GitHubError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn permissions_come_from_the_api_in_all_six_levels() {
    let bed = Bed::new().await;
    let asked = async |user: &str| {
        let user: Login = user.parse().expect("a login");
        bed.api.permission(&site(), &user).await.expect("an answer")
    };
    for (role, permission) in [
        (Role::Read, Permission::Read),
        (Role::Triage, Permission::Triage),
        (Role::Write, Permission::Write),
        (Role::Maintain, Permission::Maintain),
        (Role::Admin, Permission::Admin),
    ] {
        bed.run(Command::SetRole { repo: "acme/site".into(), user: "bob".into(), role }).await;
        assert_eq!(asked("Bob").await, permission);
    }
    assert_eq!(asked("eve").await, Permission::None, "a stranger to a private repository");
    assert_eq!(asked("nobody").await, Permission::None, "no user at all");
    assert_eq!(asked("dependabot[bot]").await, Permission::None, "an App is no user");
    let other = "acme/other".parse().expect("a repository");
    let error = bed.api.permission(&other, &"bob".parse().expect("a login")).await;
    assert!(matches!(error, Err(GitHubError::NotFound { .. })), "not seen is no answer");
}

#[tokio::test]
async fn the_repositories_of_an_account_are_those_of_the_installation() {
    let bed = Bed::new().await;
    for (repo, installed) in
        [("acme/api", true), ("acme/hidden", false), ("acme/old", true), ("other/x", true)]
    {
        bed.tell(json!({ "do": "add_repo", "repo": repo, "installed": installed })).await;
    }
    bed.tell(json!({ "do": "archive", "repo": "acme/old" })).await;
    let owner = |text: &str| match text.parse::<RepoPattern>().expect("a pattern") {
        RepoPattern::AllOf(owner) => owner,
        RepoPattern::One(_) => panic!("not one"),
    };
    let found = bed.api.repositories(&owner("Acme/*")).await.expect("a list");
    assert_eq!(found.iter().map(RepoName::as_str).collect::<Vec<_>>(), ["acme/api", "acme/site"]);
    let error = bed.api.repositories(&owner("nobody/*")).await.expect_err("not installed");
    insta::assert_snapshot!(error, @"the GitHub App is not installed for `nobody`: install it there");
    let person = bed.client(bed.person("acme", &[]).await);
    let found = person.repositories(&owner("acme/*")).await.expect("a list");
    assert_eq!(found.len(), 3, "{found:?}");
}
