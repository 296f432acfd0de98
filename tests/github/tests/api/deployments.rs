use berth_github_double::{Command, FaultKind};
use berth_host::github::{DeploymentState, DeploymentStatus, Environment, GitHub, GitHubError};
use serde_json::Value;

use crate::bed::{Bed, site};

fn environment() -> Environment {
    "preview/site-1".parse().expect("an environment")
}

fn status(state: DeploymentState) -> DeploymentStatus {
    DeploymentStatus { state, log: None, description: "x".repeat(200) }
}

fn success() -> DeploymentStatus {
    status(DeploymentState::Success("https://site-1.preview.example.com/".parse().expect("a link")))
}

async fn deployments(bed: &Bed) -> Vec<(bool, Vec<String>)> {
    let all = bed.run(Command::Deployments { repo: "acme/site".into() }).await;
    let states = |one: &Value| {
        let states = one["statuses"].as_array().expect("a list").iter();
        states.map(|status| status["state"].as_str().expect("a state").to_owned()).collect()
    };
    let is_there = |one: &Value| !one["deleted"].as_bool().expect("a truth");
    all.as_array().expect("a list").iter().map(|one| (is_there(one), states(one))).collect()
}

#[tokio::test]
async fn a_deployment_goes_through_its_states() {
    let bed = Bed::new().await;
    let head = bed.open("fix").await;
    let id = bed.api.deployment(&site(), &head, &environment()).await.expect("made");
    for state in [status(DeploymentState::Queued), status(DeploymentState::InProgress), success()] {
        bed.api.set_deployment(&site(), id, &state).await.expect("set");
    }
    let states = ["queued", "in_progress", "success"].map(str::to_owned).to_vec();
    assert_eq!(deployments(&bed).await, [(true, states)]);
    let all = bed.run(Command::Deployments { repo: "acme/site".into() }).await;
    assert_eq!(all[0]["asked"]["transient_environment"], true);
    assert_eq!(all[0]["statuses"][2]["environment_url"], "https://site-1.preview.example.com/");
}

#[tokio::test]
async fn one_commit_has_one_deployment_even_when_an_answer_is_lost() {
    let bed = Bed::new().await;
    let head = bed.open("fix").await;
    bed.fault("POST", "/deployments", 1, FaultKind::LostAnswer).await;
    bed.api.deployment(&site(), &head, &environment()).await.expect_err("lost");
    let id = bed.api.deployment(&site(), &head, &environment()).await.expect("found");
    assert_eq!(bed.api.deployment(&site(), &head, &environment()).await.expect("found"), id);
    assert_eq!(deployments(&bed).await.len(), 1);
}

#[tokio::test]
async fn a_new_success_ends_the_one_before_and_removal_ends_all() {
    let bed = Bed::new().await;
    let first = bed.open("fix").await;
    let id = bed.api.deployment(&site(), &first, &environment()).await.expect("made");
    bed.api.set_deployment(&site(), id, &success()).await.expect("set");
    let second = bed.push("fix", "two").await;
    let id = bed.api.deployment(&site(), &second, &environment()).await.expect("made");
    bed.api.set_deployment(&site(), id, &success()).await.expect("set");
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        deployments(&bed).await,
        [(true, words(&["success", "inactive"])), (true, words(&["success"]))]
    );
    bed.api.remove_deployments(&site(), &environment()).await.expect("removed");
    bed.api.remove_deployments(&site(), &environment()).await.expect("gone already");
    assert!(deployments(&bed).await.iter().all(|(is_there, _)| !is_there));
}

#[tokio::test]
async fn a_commit_that_github_does_not_have_is_refused() {
    let bed = Bed::new().await;
    let error = bed.api.deployment(&site(), &"a".repeat(40).parse().expect("a commit"), &environment()).await;
    insta::assert_snapshot!(error.expect_err("no such commit"), @"GitHub does not accept a deployment of `aaaaaaaaaaaa` of `acme/site`: No ref found for: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

#[tokio::test]
async fn a_token_without_the_permission_is_told_which_one() {
    let bed = Bed::new().await;
    let head = bed.open("fix").await;
    bed.run(Command::SetRole {
        repo: "acme/site".into(),
        user: "bot".into(),
        role: berth_github_double::Role::Write,
    })
    .await;
    let person = bed.client(bed.person("bot", &[("pull_requests", "write"), ("deployments", "read")]).await);
    let error = person.deployment(&site(), &head, &environment()).await.expect_err("may only read");
    assert!(matches!(&error, GitHubError::Forbidden { needs: Some(_), .. }), "{error}");
    assert!(error.to_string().ends_with("it needs the permission `deployments=write`"), "{error}");
}
