//! The token of every fetch, with a GitHub and a forge that do as they are told.

mod bed;
mod double;

use bed::{Bed, GITHUB, pull, site};

use super::super::DeployError;
use crate::agents::chain;
use crate::repos::RepoError;

#[tokio::test]
async fn an_app_reads_a_private_repository_with_a_token_of_its_own() {
    let bed = Bed::new(GITHUB).await;
    bed.world.make_private(&site(), "ghs_fake-site-1");
    bed.fetch("main").await.expect("fetched");
    bed.fetch_pull(pull()).await.expect("a fork's commits are in the base repository");
    assert_eq!(bed.shown(), ["ghs_fake-site-1", "ghs_fake-site-1"]);
    assert_eq!(bed.asked(), ["github.token_for acme/site", "github.token_for acme/site"]);
}

#[tokio::test]
async fn the_configured_token_goes_before_that_of_github() {
    let bed = Bed::new(&format!("token = \"TOKEN\"\n{GITHUB}")).await;
    bed.world.make_private(&site(), "token-of-the-forge");
    bed.fetch("main").await.expect("fetched");
    assert_eq!((bed.shown(), bed.asked()), (vec!["token-of-the-forge".to_owned()], vec![]));
    // And it is not replaced by another one.
    bed.world.make_private(&site(), "another");
    let error = bed.fetch("main").await.expect_err("refused");
    assert!(matches!(error, DeployError::Repo(RepoError::TokenRefused { .. })), "{error}");
    assert_eq!((bed.shown().len(), bed.asked()), (2, vec![]));
}

#[tokio::test]
async fn a_forge_that_is_not_this_github_sees_no_token_of_it() {
    for forge in ["https://git.example.com", "http://github.com", "https://github.com/mirror"] {
        let bed = Bed::new(&format!("forge = \"{forge}\"\n{GITHUB}")).await;
        bed.fetch("main").await.expect("fetched");
        assert_eq!((bed.shown(), bed.asked()), (vec!["none".to_owned()], vec![]), "{forge}");
    }
}

#[tokio::test]
async fn without_github_nothing_is_asked_and_the_error_names_the_token() {
    let bed = Bed::new("").await;
    bed.fetch("main").await.expect("fetched");
    bed.world.make_private(&site(), "good");
    let error = bed.fetch("main").await.expect_err("refused");
    insta::assert_snapshot!(chain(&error), @"there is no `acme/site` at `https://github.com`, or it is private: configure a token that may read it");
    assert_eq!((bed.shown(), bed.asked()), (vec!["none".to_owned(), "none".to_owned()], vec![]));
}

#[tokio::test]
async fn a_public_repository_needs_no_app_and_a_private_one_says_so() {
    let bed = Bed::new(GITHUB).await;
    bed.world.github_hides(&site());
    bed.fetch("main").await.expect("fetched");
    assert_eq!(bed.shown(), ["none"]);
    bed.world.make_private(&site(), "ghs_fake-site-1");
    let error = bed.fetch("main").await.expect_err("refused");
    insta::assert_snapshot!(chain(&error), @"there is no `acme/site` at `https://github.com`, or it is private and the GitHub App is not installed for it: install the App there");
}

#[tokio::test]
async fn a_token_that_the_forge_refuses_is_replaced_once() {
    let bed = Bed::new(GITHUB).await;
    bed.world.make_private(&site(), "ghs_fake-site-2");
    bed.fetch("main").await.expect("fetched with the second");
    assert_eq!(bed.shown(), ["ghs_fake-site-1", "ghs_fake-site-2"]);
    bed.world.make_private(&site(), "never");
    let error = bed.fetch("main").await.expect_err("refused twice");
    insta::assert_snapshot!(chain(&error), @"`https://github.com` does not accept the token for `acme/site`: it is wrong, or its time is over");
    assert_eq!(bed.shown()[2..], ["ghs_fake-site-2", "ghs_fake-site-3"]);
}

#[tokio::test]
async fn a_github_that_gives_no_answer_is_told_and_nothing_is_fetched_without_its_word() {
    let bed = Bed::new(GITHUB).await;
    bed.world.github_limits(Some("2026-11-21T09:00:00Z".parse().expect("a time")));
    let limited = bed.fetch("main").await.expect_err("limited");
    insta::assert_snapshot!(chain(&limited), @"GitHub gives no token to read `acme/site`: GitHub takes no more calls until 2026-11-21T09:00:00Z");
    bed.world.github_limits(None);
    bed.world.fail_next("github.token_for");
    let broken = bed.fetch("main").await.expect_err("not reached");
    assert!(matches!(broken, DeployError::NoToken { .. }), "{broken}");
    assert!(bed.shown().is_empty());
    bed.fetch("main").await.expect("fetched when it answers again");
}

#[tokio::test]
async fn a_key_that_cannot_be_read_stops_only_what_needs_it() {
    let real = |bed: &mut Bed| {
        let github = bed.host.config.github.as_ref();
        bed.host.tools.github = crate::github::OnDemand::new(github);
    };
    let mut bed = Bed::new(GITHUB).await;
    real(&mut bed);
    let error = bed.fetch("main").await.expect_err("there is no key");
    insta::assert_snapshot!(chain(&error), @"the key of the GitHub App cannot be read: set `github.app_key` to a file that root can read: `/none/app.pem` cannot be read: No such file or directory (os error 2)");
    let mut bed = Bed::new(&format!("token = \"TOKEN\"\n{GITHUB}")).await;
    real(&mut bed);
    bed.fetch("main").await.expect("fetched");
}

#[tokio::test]
async fn an_interrupt_is_heard_while_github_is_asked() {
    let bed = Bed::new(GITHUB).await;
    bed.world.hang_next("github.token_for");
    let error = bed.fetch_interrupted("main").await.expect_err("interrupted");
    assert!(error.is_interrupt() && bed.shown().is_empty(), "{error}");
}
