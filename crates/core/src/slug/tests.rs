use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::name::LABEL_MAX;

fn repo(text: &str) -> RepoName {
    text.parse().expect(text)
}

fn branch(text: &str) -> BranchName {
    text.parse().expect(text)
}

fn pull(number: u32) -> Origin<'static> {
    Origin::Pull(number.try_into().expect("from 1 on"))
}

fn free(_: &Name) -> bool {
    false
}

#[test]
fn the_longest_extra_host_is_a_label() {
    assert_eq!(SLUG_MAX + 1 + PREFIX_MAX, LABEL_MAX);
}

#[test]
fn slugs_are_these() {
    let long = "a-branch-with-a-name-that-nobody-wants-to-type-again";
    let default = repo("acme/site");
    let mut table = String::new();
    for (of, origin) in [
        ("acme/site", "12"),
        ("acme/site", "pull 12"),
        ("acme/shop", "pull 12"),
        ("acme/shop", "pull 4294967295"),
        ("acme/shop", "main"),
        ("acme/Shop", "Feature/Login"),
        ("acme/.github", "pull 3"),
        ("acme/my__app", "pull 3"),
        ("acme/---", "pull 3"),
        ("acme/shop", "müsli"),
        ("acme/shop", "日本"),
        ("acme/shop", "''"),
        ("acme/shop", "a';id;'"),
        ("acme/shop", long),
        ("acme/the-shop-of-the-company-with-a-long-name", "main"),
        ("acme/the-shop-of-the-company-with-a-long-name", long),
        ("acme/the-shop-of-the-company-with-a-long-name", "pull 4294967295"),
    ] {
        let made = match origin.strip_prefix("pull ") {
            Some(number) => slug(&repo(of), pull(number.parse().expect("a number")), Some(&default), free),
            None => slug(&repo(of), Origin::Branch(&branch(origin)), Some(&default), free),
        };
        table += &format!("{of} {origin}: {made}\n");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn pull_request_12_and_branch_12_are_two_slugs() {
    let site = repo("a/site");
    let first = slug(&site, pull(12), None, free);
    let second = slug(&site, Origin::Branch(&branch("12")), None, |name| *name == first);
    assert_eq!(first.as_str(), "site-12");
    assert_ne!(first, second);
}

#[test]
fn a_taken_hash_makes_room_for_another_one() {
    let site = repo("a/site");
    let first = slug(&site, pull(12), None, |name| name.as_str() == "site-12");
    let second = slug(&site, pull(12), None, |name| name.as_str() == "site-12" || *name == first);
    assert_ne!(first, second);
    assert!(second.as_str().starts_with("site-12-"), "{second}");
    // Even where everything is said to be taken there is an answer.
    assert!(slug(&site, pull(12), None, |_| true).as_str().starts_with("site-12-"));
}

#[test]
fn names_that_differ_only_behind_the_cut_differ() {
    let long = "x".repeat(150);
    let (one, other) = (branch(&format!("{long}1")), branch(&format!("{long}2")));
    let site = repo("a/site");
    assert_ne!(
        slug(&site, Origin::Branch(&one), None, free),
        slug(&site, Origin::Branch(&other), None, free)
    );
    let (one, other) = (repo(&format!("a/{}", &long[..99])), repo(&format!("a/{}", &long[..98])));
    assert_ne!(slug(&one, pull(1), None, free), slug(&other, pull(1), None, free));
}

#[test]
fn reserved_names_are_labels_in_order() {
    assert!(RESERVED.is_sorted());
    for reserved in RESERVED {
        let slug: Name = reserved.parse().expect(reserved);
        assert!(is_reserved(&slug));
        assert_eq!(check_slug(reserved), Err(SlugError::Reserved { slug }));
    }
}

#[test]
fn a_chosen_slug_is_checked() {
    for good in ["shop", "12", "a--b", &"a".repeat(SLUG_MAX)] {
        assert_eq!(check_slug(good).expect(good).as_str(), good);
    }
    let long = "a".repeat(SLUG_MAX + 1);
    let messages: Vec<String> = ["", "Shop", "a.b", "-a", "webhook", "xn--bcher-kva", &long]
        .into_iter()
        .map(|bad| check_slug(bad).expect_err(bad).to_string())
        .collect();
    insta::assert_snapshot!(messages.join("\n"));
}

/// A branch, or nothing for a text that is none.
fn branches() -> impl Strategy<Value = Option<BranchName>> {
    "[aAb1/_.é'-]{1,4}|\\PC{1,60}|[a-z/-]{30,200}|[0-9]{1,3}|www|webhook".prop_map(|text| text.parse().ok())
}

fn repos() -> impl Strategy<Value = RepoName> {
    "[ab]/([aAb1_.-]{1,4}|[a-z.-]{1,100}|www)"
        .prop_filter_map("no repository", |text| text.parse::<RepoName>().ok())
}

proptest! {
    #[test]
    fn previews_have_slugs_of_their_own(
        wanted in prop::collection::vec((repos(), branches(), 1u32..20, any::<u32>()), 1..60),
    ) {
        let default = wanted[0].0.clone();
        let mut seen = HashSet::new();
        let mut taken = HashSet::new();
        for (repo, branch, low, any) in &wanted {
            let number = if any % 4 == 0 { (*any).max(1) } else { *low };
            let origin = branch.as_ref().map_or(pull(number), Origin::Branch);
            if !seen.insert((repo, origin)) {
                continue;
            }
            let made = slug(repo, origin, Some(&default), |name| taken.contains(name));
            prop_assert_eq!(check_slug(made.as_str()), Ok(made.clone()));
            let again = slug(repo, origin, Some(&default), |name| taken.contains(name));
            prop_assert_eq!(&made, &again);
            if let Origin::Pull(number) = origin {
                let words: Vec<&str> = made.as_str().split('-').collect();
                prop_assert!(words.contains(&number.to_string().as_str()), "{} in {}", number, made);
            }
            prop_assert!(taken.insert(made.clone()), "{} twice", made);
        }
    }
}
