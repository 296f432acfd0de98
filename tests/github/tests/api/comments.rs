use berth_core::comment::MARKER;
use berth_github_double::FaultKind;
use berth_host::github::{CommentId, GitHub, GitHubError, Reaction};
use serde_json::json;

use crate::bed::{Bed, number, site};

fn text(state: &str) -> String {
    format!("{MARKER}\n{state}\n")
}

#[tokio::test]
async fn the_comment_is_edited_in_place() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    let id = bed.api.put_comment(&site(), number(1), None, &text("queued")).await.expect("written");
    let again = bed.api.put_comment(&site(), number(1), Some(id), &text("ready")).await.expect("edited");
    assert_eq!(id, again);
    let comments = bed.comments(1).await;
    assert_eq!(comments[0]["texts"], json!([text("queued"), text("ready")]));
    assert_eq!(comments.as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn a_comment_that_berth_forgot_is_found_among_more_than_a_page() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    for index in 0..120 {
        let text = if index == 5 { text("a forged one") } else { format!("comment {index}") };
        bed.tell(json!({ "do": "comment", "repo": "acme/site", "number": 1, "by": "eve", "text": text }))
            .await;
    }
    let id = bed.api.put_comment(&site(), number(1), None, &text("queued")).await.expect("written");
    let found = bed.api.put_comment(&site(), number(1), None, &text("ready")).await.expect("found");
    assert_eq!(id, found, "Berth's own, not the forged one");
    assert_eq!(bed.comments(1).await.as_array().expect("a list").len(), 121);
}

#[tokio::test]
async fn a_deleted_comment_is_written_anew() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    let id = bed.api.put_comment(&site(), number(1), None, &text("queued")).await.expect("written");
    bed.tell(json!({ "do": "delete_comment", "id": id.0 })).await;
    let anew = bed.api.put_comment(&site(), number(1), Some(id), &text("ready")).await.expect("written");
    assert_ne!(id, anew);
    assert_eq!(bed.comments(1).await[1]["texts"], json!([text("ready")]));
}

#[tokio::test]
async fn a_lost_answer_leaves_no_second_comment() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    bed.fault("POST", "/issues/1/comments", 1, FaultKind::LostAnswer).await;
    let error = bed.api.put_comment(&site(), number(1), None, &text("queued")).await.expect_err("lost");
    assert!(error.is_temporary(), "{error}");
    bed.api.put_comment(&site(), number(1), None, &text("queued")).await.expect("found");
    assert_eq!(bed.comments(1).await.as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn a_comment_on_nothing_and_one_that_is_too_long_are_refused() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    let error = bed.api.put_comment(&site(), number(9), None, &text("x")).await.expect_err("no pull request");
    assert!(matches!(error, GitHubError::NotFound { .. }), "{error}");
    let error =
        bed.api.put_comment(&site(), number(1), None, &"x".repeat(65_537)).await.expect_err("too long");
    insta::assert_snapshot!(error, @"GitHub does not accept the comment on pull request 1 of `acme/site`: Validation Failed; IssueComment body too_long");
}

#[tokio::test]
async fn a_personal_token_comments_as_its_owner() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    bed.tell(json!({ "do": "set_role", "repo": "acme/site", "user": "bot", "role": "write" })).await;
    let person = bed.client(bed.person("bot", &[("pull_requests", "write")]).await);
    let id = person.put_comment(&site(), number(1), None, &text("queued")).await.expect("written");
    assert_eq!(person.put_comment(&site(), number(1), None, &text("ready")).await.expect("found"), id);
    assert_eq!(bed.comments(1).await[0]["by"], "bot");
}

/// A comment of somebody's on pull request 1.
async fn of_eve(bed: &Bed) -> CommentId {
    bed.open("fix").await;
    let written = bed
        .tell(json!({ "do": "comment", "repo": "acme/site", "number": 1, "by": "eve", "text": "/preview" }))
        .await;
    CommentId(written["id"].as_u64().expect("an id"))
}

#[tokio::test]
async fn a_reaction_is_set_once_however_often_it_is_sent() {
    let bed = Bed::new().await;
    let id = of_eve(&bed).await;
    bed.fault("POST", "/reactions", 1, FaultKind::LostAnswer).await;
    bed.api.react(&site(), id, Reaction::Confused).await.expect("sent again");
    bed.api.react(&site(), id, Reaction::Confused).await.expect("there already");
    let by = "berth-previews[bot]";
    assert_eq!(bed.comments(1).await[0]["reactions"], json!([{ "by": by, "content": "confused" }]));
    let answers = bed.calls().await.into_iter().filter(|call| call.contains("/reactions"));
    let statuses: Vec<String> =
        answers.map(|call| call.rsplit(' ').next().expect("one").to_owned()).collect();
    assert_eq!(statuses, ["502", "200", "200"]);
}

#[tokio::test]
async fn a_reaction_needs_its_comment_and_the_permission_for_pull_requests() {
    let bed = Bed::new().await;
    let id = of_eve(&bed).await;
    bed.tell(json!({ "do": "set_role", "repo": "acme/site", "user": "bot", "role": "write" })).await;
    let of_issues = bed.client(bed.person("bot", &[("issues", "write"), ("pull_requests", "read")]).await);
    let error = of_issues.react(&site(), id, Reaction::ThumbUp).await.expect_err("of a pull request");
    assert!(
        matches!(&error, GitHubError::Forbidden { needs: Some(needs), .. } if needs == "pull_requests=write"),
        "{error}"
    );
    bed.tell(json!({ "do": "delete_comment", "id": id.0 })).await;
    let error = bed.api.react(&site(), id, Reaction::ThumbUp).await.expect_err("it is gone");
    insta::assert_snapshot!(error.to_string().replace(&id.0.to_string(), "ID"), @"GitHub has no reactions to comment ID of `acme/site`, or does not show it: check its name, and whether the App is installed for it or the token may read it");
}
