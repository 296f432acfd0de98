//! A preview for tests of what is printed.

use berth_core::Config;
use berth_host::previews::PreviewView;
use jiff::Timestamp;

/// A moment after it was made.
pub(super) fn now() -> Timestamp {
    "2026-11-20T19:40:00Z".parse().expect("a time")
}

/// One of a pull request, that is ready and has all that one can have.
pub(super) fn preview(slug: &str) -> PreviewView {
    let url = format!("https://{slug}.preview.example.com");
    PreviewView {
        slug: slug.parse().expect("a name"),
        repository: "acme/site".parse().expect("a repository"),
        branch: "fix/login".parse().expect("a branch"),
        pull: Some("12".parse().expect("a number")),
        state: "ready".to_owned(),
        reason: None,
        urls: vec![url.clone(), format!("https://admin-{slug}.preview.example.com")],
        url: Some(url),
        commit: Some("0123456789abcdef0123456789abcdef01234567".parse().expect("a commit")),
        deployed_at: Some("2026-11-20T17:10:00Z".parse().expect("a time")),
        container: Some("p1".parse().expect("a container")),
        address: Some([10, 100, 0, 3].into()),
        closure: Some(
            "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-preview".parse().expect("a path"),
        ),
        services: vec!["migrate.service".to_owned(), "web.service".to_owned()],
        database: Some("berth_d42".to_owned()),
        limits: Config::parse("").expect("the defaults").agent.limits,
        gpu: Some(Config::parse("[gpu]\n").expect("the defaults").gpu.expect("a GPU").gpu),
        is_trusted: true,
        created_at: "2026-11-20T16:38:00Z".parse().expect("a time"),
        created_by: "ada".to_owned(),
        expires_at: Some("2026-11-21T00:38:00Z".parse().expect("a time")),
    }
}

/// One that never came to answer.
pub(super) fn failed(slug: &str) -> PreviewView {
    PreviewView {
        pull: None,
        branch: "main".parse().expect("a branch"),
        state: "failed".to_owned(),
        reason: Some("`web.service` failed inside the preview".to_owned()),
        urls: vec![format!("https://{slug}.preview.example.com")],
        commit: None,
        deployed_at: None,
        container: None,
        address: None,
        closure: None,
        services: Vec::new(),
        database: None,
        gpu: None,
        is_trusted: false,
        expires_at: None,
        ..preview(slug)
    }
}
