//! The double's own side: repositories over HTTP, as git sees them.

use std::process::Output;

use berth_github_double::Command;
use serde_json::json;
use tokio::process;

use crate::bed::{Bed, map};

async fn git(arguments: &[&str]) -> Output {
    process::Command::new("git")
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .await
        .expect("git runs")
}

fn url(bed: &Bed, token: Option<&str>) -> String {
    let rest = bed.double.base().strip_prefix("http://").expect("plain");
    let user = token.map(|token| format!("x-access-token:{token}@")).unwrap_or_default();
    format!("http://{user}{rest}/acme/site.git")
}

async fn token(bed: &Bed, user: &str, contents: &str) -> String {
    let permissions = map(&[("contents", contents)]);
    let made = bed.run(Command::PersonalToken { user: user.into(), permissions }).await;
    made["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_private_repository_opens_to_a_good_token_only() {
    let bed = Bed::new().await;
    let head = bed.open("fix").await;
    let (good, stranger) = (token(&bed, "acme", "read").await, token(&bed, "eve", "read").await);
    let listed = git(&["ls-remote", &url(&bed, Some(&good)), "refs/pull/1/head"]).await;
    assert_eq!(String::from_utf8_lossy(&listed.stdout), format!("{head}\trefs/pull/1/head\n"));
    for wrong in [None, Some("ghs_wrong"), Some(stranger.as_str())] {
        let refused = git(&["ls-remote", &url(&bed, wrong)]).await;
        assert!(!refused.status.success(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_real_push_moves_the_pull_request() {
    let bed = Bed::new().await;
    let before = bed.open("fix").await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().to_str().expect("a path");
    let reads = token(&bed, "acme", "read").await;
    let writes = token(&bed, "acme", "write").await;
    let cloned = git(&["clone", "--quiet", "--branch=fix", &url(&bed, Some(&reads)), at]).await;
    assert!(cloned.status.success(), "{cloned:?}");
    let me = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"];
    let commit = [&["-C", at], &me[..], &["commit", "--quiet", "--allow-empty", "-m", "more"]].concat();
    assert!(git(&commit).await.status.success());
    let refused = git(&["-C", at, "push", "--quiet", &url(&bed, Some(&reads)), "HEAD:fix"]).await;
    assert!(!refused.status.success(), "it may only read");
    let pushed = git(&["-C", at, "push", "--quiet", &url(&bed, Some(&writes)), "HEAD:fix"]).await;
    assert!(pushed.status.success(), "{pushed:?}");
    let pull = berth_host::github::GitHub::pull(&bed.api, &crate::bed::site(), crate::bed::number(1)).await;
    assert_ne!(pull.expect("an answer").expect("it is there").head, before);
}

#[tokio::test]
async fn a_fork_reaches_the_base_only_as_a_pull_request() {
    let bed = Bed::new().await;
    bed.tell(json!({ "do": "fork", "repo": "acme/site", "to": "eve/site" })).await;
    let pushed = bed
        .tell(json!({ "do": "push", "repo": "eve/site", "branch": "main", "files": { "evil": "x" } }))
        .await;
    bed.tell(json!({ "do": "open", "repo": "acme/site", "from": "eve/site", "branch": "main", "by": "eve" }))
        .await;
    let good = token(&bed, "acme", "read").await;
    let listed = git(&["ls-remote", &url(&bed, Some(&good))]).await;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let evil = pushed["sha"].as_str().expect("a commit");
    let refs: Vec<&str> = listed.lines().filter(|line| line.starts_with(evil)).collect();
    assert_eq!(refs, [format!("{evil}\trefs/pull/1/head")]);
}
