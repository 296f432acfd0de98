use proptest::prelude::*;

use super::*;

fn repo(text: &str) -> RepoName {
    text.parse().expect(text)
}

#[test]
fn two_spellings_are_one_repository() {
    let site = repo("Acme/My.Site");
    assert_eq!(site, repo("acme/my.site"));
    assert_eq!((site.as_str(), site.owner(), site.name()), ("acme/my.site", "acme", "my.site"));
    assert_eq!(format!("{site:>14}|"), "  acme/my.site|");
}

#[test]
fn what_github_has_is_accepted() {
    let longest = format!("{}/{}", "o".repeat(39), "n".repeat(100));
    for good in [
        "a/b",
        "acme/.github",
        "acme/my__app",
        "acme/-",
        "acme/--help",
        "acme/...",
        "acme/git",
        "acme/a.git.b",
        "old-/site",
        "two--hyphens/site",
        "jane_acme/site",
        &longest,
    ] {
        assert_eq!(repo(good).as_str(), good);
    }
}

#[test]
fn what_github_cannot_have_is_refused() {
    for bad in [
        "/b",
        "-a/b",
        "_a/b",
        ".a/b",
        "a.b/c",
        "../b",
        "a/",
        "a/.",
        "a/..",
        "a/b.git",
        "a/b.GIT",
        "a/b c",
        "a/b'",
        "a/$(id)",
        "a/é",
        "é/a",
        &format!("{}/a", "o".repeat(40)),
        &format!("a/{}", "n".repeat(101)),
    ] {
        assert!(bad.parse::<RepoName>().is_err(), "{bad}");
    }
}

#[test]
fn a_refusal_tells_the_right_form() {
    let messages: Vec<String> = [
        "",
        "site",
        "acme/site/tree",
        "https://github.com/Acme/site",
        "https://x:poison/poison@github.com/acme/site.git?a#b",
        "git@github.com:acme/site.git",
        "poison@github.com/acme/site",
        "github.com/acme/site/pull/12",
        "https://github.com",
        "file:///etc",
        "a';id;'/x",
        "acme/si\nte",
        "acme/site.git",
    ]
    .into_iter()
    .map(|bad| bad.parse::<RepoName>().expect_err(bad).to_string())
    .collect();
    assert!(!messages.concat().contains("poison"), "a pasted token is shown");
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn an_endless_text_makes_no_endless_message() {
    let message = "x\n".repeat(100_000).parse::<RepoName>().expect_err("no slash").to_string();
    assert!(message.len() < 600, "{}", message.len());
}

proptest! {
    #[test]
    fn an_accepted_name_is_one_folder_below_another(text in "[A-Za-z0-9._-]{0,41}/[A-Za-z0-9._-]{0,102}|\\PC{0,50}") {
        if let Ok(repo) = text.parse::<RepoName>() {
            prop_assert_eq!(repo.as_str(), text.to_ascii_lowercase());
            prop_assert_eq!(repo.as_str().parse::<RepoName>(), Ok(repo.clone()));
            let parts: Vec<_> = std::path::Path::new(repo.as_str()).components().collect();
            prop_assert_eq!(parts.len(), 2);
            prop_assert!(parts.iter().all(|part| matches!(part, std::path::Component::Normal(_))));
        }
    }
}
