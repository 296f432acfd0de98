use std::sync::Arc;
use std::time::Duration;

use berth_core::comment::MARKER;
use berth_github_double::{Double, FaultKind, Options};
use berth_host::github::{GitHub, GitHubApi, GitHubError, GitHubOptions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::bed::{Bed, app, number, site};

#[tokio::test]
async fn faults_of_the_server_are_asked_again_and_then_told() {
    let bed = Bed::new().await;
    bed.fault("GET", "/pulls", 2, FaultKind::Status(502)).await;
    bed.api.open_pulls(&site()).await.expect("the third time");
    bed.fault("GET", "/pulls", 9, FaultKind::Status(503)).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("three times");
    insta::assert_snapshot!(error, @"GitHub failed with status 503 for the pull requests of `acme/site`");
    assert_eq!(bed.calls_to("/pulls 503").await, 3);
    assert!(error.is_temporary());
}

#[tokio::test]
async fn what_makes_something_is_not_sent_twice() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    bed.fault("POST", "/comments", 9, FaultKind::Status(500)).await;
    bed.api.put_comment(&site(), number(1), None, MARKER).await.expect_err("failed");
    assert_eq!(bed.calls_to("POST /repos/acme/site/issues/1/comments").await, 1);
}

#[tokio::test]
async fn a_refusal_is_told_with_githubs_words() {
    let bed = Bed::new().await;
    bed.fault("GET", "/pulls", 1, FaultKind::Status(403)).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("refused");
    insta::assert_snapshot!(error, @"GitHub refuses the pull requests of `acme/site`: planned by the test");
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_empty_list() {
    let bed = Bed::new().await;
    bed.open("fix").await;
    bed.fault("GET", "/pulls", 1, FaultKind::Malformed).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("half an answer");
    assert!(matches!(error, GitHubError::Form { .. }), "{error}");
    bed.fault("POST", "/access_tokens", 1, FaultKind::Malformed).await;
    let other = bed.client(app());
    let error = other.open_pulls(&site()).await.expect_err("half a token");
    assert!(!format!("{error} {error:?}").contains("ghs_"), "{error}");
}

#[tokio::test]
async fn a_slow_server_is_left_after_the_deadline() {
    let bed = Bed::new().await;
    let options = GitHubOptions {
        base: bed.double.base().parse().expect("a base"),
        timeout: Duration::from_millis(200),
        pause: Duration::from_millis(1),
        ..GitHubOptions::default()
    };
    let api = GitHubApi::new(app(), options).expect("a client");
    bed.fault("GET", "/pulls", 3, FaultKind::Slow(20_000)).await;
    let error = api.open_pulls(&site()).await.expect_err("slow");
    assert!(matches!(error, GitHubError::Slow { .. }) && error.is_temporary(), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_carries_no_token_away() {
    let bed = Bed::new().await;
    let thief = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let to = format!("http://{}/repos/acme/site/pulls", thief.local_addr().expect("an address"));
    bed.fault("GET", "/pulls", 1, FaultKind::Redirect(to.clone())).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("moved");
    assert!(matches!(&error, GitHubError::Moved { to: told, .. } if *told == to), "{error}");
    let knocked = tokio::time::timeout(Duration::from_millis(100), thief.accept()).await;
    assert!(knocked.is_err(), "nobody came");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_hangs_up_is_told() {
    let gone = Double::start(Options::default()).await.expect("started").base().to_owned();
    let options = |base: &str| GitHubOptions {
        base: base.parse().expect("a base"),
        pause: Duration::from_millis(1),
        now: Arc::new(jiff::Timestamp::now),
        ..GitHubOptions::default()
    };
    let api = GitHubApi::new(app(), options(&gone)).expect("a client");
    let error = api.open_pulls(&site()).await.expect_err("nobody listens");
    assert!(matches!(error, GitHubError::Unreachable { .. }), "{error}");

    let rude = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let base = format!("http://{}", rude.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = rude.accept().await {
            let _ = connection.read(&mut [0; 64]).await;
        }
    });
    let api = GitHubApi::new(app(), options(&base)).expect("a client");
    let error = api.open_pulls(&site()).await.expect_err("hung up");
    assert!(matches!(error, GitHubError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn no_error_shows_a_token() {
    let bed = Bed::new().await;
    bed.api.open_pulls(&site()).await.expect("a list");
    let mut told = String::new();
    for kind in [FaultKind::Status(401), FaultKind::Status(404), FaultKind::Status(422), FaultKind::Malformed]
    {
        bed.fault("GET", "/pulls", 3, kind).await;
        let error = bed.api.open_pulls(&site()).await.expect_err("failed");
        told = format!("{told} {error} {error:?}");
        bed.run(berth_github_double::Command::ClearFaults {}).await;
    }
    assert!(told.contains("acme/site") && !told.contains("ghs_") && !told.contains("eyJ"), "{told}");
}
