use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::env_file::{EnvFile, EnvName};

const GOOD: [&str; 21] = [
    "main",
    "feature/login",
    "a/b/c/d",
    "-leading-dash",
    "--upload-pack=x",
    "a';id;'",
    "$(id)",
    "`id`",
    "\"quoted\"",
    "a&b|c<d>",
    "100%",
    "a#b",
    "a,b;c!d",
    "müsli",
    "функция/日本語",
    "👩\u{200d}💻",
    "a@b",
    "{a}",
    "a.b",
    "lock",
    "refs/heads/main",
];

/// What git refuses as well.
const REFUSED_BY_GIT: [&str; 24] = [
    "", "a b", "a\tb", "a\nb", "a\u{7f}b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b", "a..b", "a@{b",
    ".a", "a/.b", "a.lock", "a.lock/b", "/a", "a/", "a//b", "a.", "..", "/",
];

/// What git has no rule against below `refs/heads/`.
const REFUSED_BY_US: [&str; 8] =
    ["@", "HEAD", "a\u{85}b", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", "main\u{200b}", "a\u{fffe}"];

/// Whether git takes it as a reference, or nothing where there is no git.
fn git_accepts(reference: &str) -> Option<bool> {
    let git = Command::new("git")
        .args(["check-ref-format", reference])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    git.ok().map(|status| status.success())
}

#[test]
fn the_table_is_judged_as_git_judges_it() {
    for good in GOOD {
        let branch: BranchName = good.parse().expect(good);
        assert_eq!(branch.full_ref(), format!("refs/heads/{good}"));
        assert_ne!(git_accepts(&branch.full_ref()), Some(false), "{good}");
    }
    for bad in REFUSED_BY_GIT {
        assert!(bad.parse::<BranchName>().is_err(), "{bad:?}");
        assert_ne!(git_accepts(&format!("refs/heads/{bad}")), Some(true), "{bad:?}");
    }
    for bad in REFUSED_BY_US {
        assert!(bad.parse::<BranchName>().is_err(), "{bad:?}");
        assert_ne!(git_accepts(&format!("refs/heads/{bad}")), Some(false), "{bad:?} is refused by git too");
    }
}

#[test]
fn a_refusal_names_the_rule() {
    let long = "é".repeat(101);
    let messages: Vec<String> = [
        "",
        &long,
        "a b",
        "a\u{202e}b",
        "a..b",
        "a@{1}",
        "x/.git",
        "a.lock",
        "/a",
        "a.",
        "@",
        "HEAD",
        "a\u{1b}[2J",
    ]
    .into_iter()
    .map(|bad| bad.parse::<BranchName>().expect_err(bad).to_string())
    .collect();
    insta::assert_snapshot!(messages.join("\n"));
    assert!("é".repeat(100).parse::<BranchName>().is_ok());
}

/// Texts near the edge of what is a branch.
fn near_branches() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => "[a-zA-Z0-9_'\"$-]{1,5}".boxed(),
        2 => prop::sample::select(vec![
            "/", ".", "..", "@", "{", "@{", ".lock", "lock", "HEAD", " ", "~", "^", ":", "?", "*", "[", "\\", "\u{7f}",
            "\u{85}", "\u{202e}", "\u{ffff}", "é", "日本", "-",
        ])
        .prop_map(str::to_owned)
        .boxed(),
        1 => any::<char>().prop_map(String::from).boxed(),
    ];
    prop::collection::vec(token, 0..6).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn what_is_accepted_is_accepted_by_git_and_by_the_environment(text in near_branches()) {
        if let Ok(branch) = text.parse::<BranchName>() {
            prop_assert_ne!(git_accepts(&branch.full_ref()), Some(false));
            let name: EnvName = "PREVIEW_BRANCH".parse().expect("a name");
            prop_assert!(EnvFile::default().set(name, branch.as_str()).is_ok());
        }
    }
}
