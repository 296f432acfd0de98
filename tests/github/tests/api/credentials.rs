use berth_core::policy::Login;
use berth_github_double::{APP_KEY, Command};
use berth_host::github::{AppKey, Credentials, GitHub, GitHubError};

use crate::bed::{Bed, app, map, number, site};

#[tokio::test]
async fn an_app_gets_one_token_for_one_repository_and_keeps_it() {
    let bed = Bed::new().await;
    for _ in 0..3 {
        bed.api.open_pulls(&site()).await.expect("a list");
    }
    assert_eq!(bed.calls_to("access_tokens").await, 1);
    let calls = bed.run(Command::Calls {}).await;
    let asked =
        calls.as_array().expect("a list").iter().find(|call| call["method"] == "POST").expect("a token");
    insta::assert_snapshot!(asked["body"], @r#"{"permissions":{"deployments":"write","metadata":"read","pull_requests":"write"},"repositories":["site"]}"#);
}

#[tokio::test]
async fn a_token_for_git_may_only_read_the_content() {
    let bed = Bed::new().await;
    let token = bed.api.token_for(&site()).await.expect("a token");
    assert_eq!(format!("{token:?}"), "Token");
    let calls = bed.run(Command::Calls {}).await;
    let asked =
        calls.as_array().expect("a list").iter().find(|call| call["method"] == "POST").expect("a token");
    insta::assert_snapshot!(asked["body"], @r#"{"permissions":{"contents":"read","metadata":"read"},"repositories":["site"]}"#);
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_token() {
    let bed = Bed::new().await;
    let (site, pull) = (site(), number(1));
    let (one, two, three) =
        tokio::join!(bed.api.open_pulls(&site), bed.api.pull(&site, pull), bed.api.open_pulls(&site));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(bed.calls_to("access_tokens").await, 1);
}

#[tokio::test]
async fn a_token_is_replaced_five_minutes_before_its_end() {
    let bed = Bed::new().await;
    bed.api.open_pulls(&site()).await.expect("a list");
    bed.advance(54 * 60).await;
    bed.api.open_pulls(&site()).await.expect("a list");
    assert_eq!(bed.calls_to("access_tokens").await, 1, "six minutes are left");
    bed.advance(2 * 60).await;
    bed.api.open_pulls(&site()).await.expect("a list");
    assert_eq!(bed.calls_to("access_tokens").await, 2, "four minutes were left");
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    let bed = Bed::new().await;
    bed.api.open_pulls(&site()).await.expect("a list");
    bed.run(Command::RevokeTokens {}).await;
    bed.api.open_pulls(&site()).await.expect("a list with a new token");
    assert_eq!(bed.calls_to("access_tokens").await, 2);
}

#[tokio::test]
async fn a_statement_of_another_key_or_another_time_is_refused() {
    let bed = Bed::new().await;
    let key = || AppKey::from_pem(APP_KEY.as_bytes()).expect("a key");
    let other_app = Credentials::App { id: "4243".parse().expect("an id"), key: key() };
    let error = bed.client(other_app).open_pulls(&site()).await.expect_err("another app");
    insta::assert_snapshot!(error, @"GitHub does not accept the credentials for repository `acme/site`: Integration not found");
    bed.run(Command::Advance { seconds: 3600 }).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("a clock that is an hour late");
    assert!(matches!(error, GitHubError::Unauthorized { .. }), "{error}");
}

#[test]
fn what_is_no_key_is_told_without_showing_it() {
    for text in ["", "poison", "-----BEGIN RSA PRIVATE KEY-----\npoison\n-----END RSA PRIVATE KEY-----\n"] {
        let error = AppKey::from_pem(text.as_bytes()).expect_err("no key");
        assert!(!format!("{error} {error:?}").contains("poison"));
    }
    assert_eq!(format!("{:?}", AppKey::from_pem(APP_KEY.as_bytes()).expect("a key")), "AppKey");
}

#[tokio::test]
async fn a_permission_that_the_app_was_not_granted_is_named() {
    let bed = Bed::new().await;
    bed.run(Command::Grant { permissions: map(&[("metadata", "read"), ("pull_requests", "write")]) }).await;
    let error = bed.api.open_pulls(&site()).await.expect_err("no deployments");
    insta::assert_snapshot!(error, @"GitHub refuses a token for `acme/site`: The permissions requested are not granted to this installation.; it needs the permission `deployments=write, metadata=read, pull_requests=write`");
}

#[tokio::test]
async fn the_account_is_the_apps_or_the_persons() {
    let bed = Bed::new().await;
    assert_eq!(bed.api.login().await.expect("a login").as_str(), "berth-previews[bot]");
    let person = bed.client(bed.person("Ada", &[]).await);
    assert_eq!(person.login().await.expect("a login"), &"ada".parse::<Login>().expect("a login"));
    let again = bed.client(app());
    again.login().await.expect("a login");
    again.login().await.expect("a login");
    assert_eq!(bed.calls_to("GET /app ").await, 2, "each client asks once");
}
