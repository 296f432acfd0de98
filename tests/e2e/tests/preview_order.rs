//! Commands about one preview at the same time, and what is asked for in the
//! command line alone: slugs, `--no-wait`, commits.

use std::time::Duration;

use berth_e2e::{Output, Preview, Running, SharedPreviewHost, fixture, json, preview, wait_until};

static HOST: SharedPreviewHost = SharedPreviewHost::named("order");
const SOON: Duration = Duration::from_mins(1);

#[test]
fn creates_of_one_branch_at_once_make_one_preview() {
    let host = HOST.get();
    let site = host.forge().repository("acme/same", fixture("static"));
    let one = Preview::attach(&host, "same-main");
    let creates = [(); 4].map(|()| preview(&host, &["create", site.name(), "main"]).spawn());
    let ended = creates.map(Running::wait);
    let codes: Vec<_> = ended.iter().filter_map(Output::code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(
        codes.iter().filter(|code| **code == 4).count(),
        3,
        "the others are told that it is there: {codes:?}"
    );
    assert_eq!(one.page("/"), "one\n");
}

#[test]
fn updates_and_a_destroy_of_one_preview_at_once_end_in_order() {
    let host = HOST.get();
    let site = host.forge().repository("acme/mixed", fixture("static"));
    let one = Preview::create(&host, &site);
    site.commit("change", &[("index.html", "two\n")]);
    let updates = [(); 3].map(|()| one.command("update").arg("--json").spawn());
    let mut kinds: Vec<String> = updates
        .into_iter()
        .map(|update| json(&update.wait())["update"].as_str().expect("how").to_owned())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["code", "nothing", "nothing"]);

    let update = one.command("update").arg("--force").spawn();
    wait_until(SOON, "it updates", || one.state() == "updating");
    let destroyed = one.command("destroy").ok();
    let ended = update.wait();
    assert!(ended.is_success(), "the destroy waits for the update: {ended}");
    assert_eq!(destroyed.stdout, "destroyed mixed-main\n");
    one.keep();
    host.assert_clean();
}

#[test]
fn nobody_waits_with_no_wait_and_it_comes_up_by_itself() {
    let host = HOST.get();
    let slow =
        fixture("static").replacing("preview-config.nix", "echo \"cloned", "sleep 4\n      echo \"cloned");
    let repository = host.forge().repository("acme/slow", slow);
    let one = Preview::create_with(&host, &repository, "main", &["--no-wait"]);
    assert_eq!((one.slug(), one.state().as_str()), ("slow-main", "running"));
    assert_eq!(one.get("/").status, 502, "requests are led to it already");
    wait_until(SOON, "it answers", || one.get("/").status == 200);
    assert_eq!(one.page("/"), "one\n");
    repository.commit("change", &[("index.html", "two\n")]);
    assert_eq!(one.update(), "code");
    assert_eq!((one.page("/").as_str(), one.state().as_str()), ("two\n", "ready"));
}

#[test]
fn slugs_come_from_repository_and_branch_or_number_and_never_twice() {
    let host = HOST.get();
    let site = host.forge().repository("acme/Slug.Site", fixture("static"));
    let other = host.forge().repository("globex/slug-site", fixture("static"));
    let pull = site.commit_to_pull(7, "a fork's change", &[("index.html", "pull\n")]);
    site.commit_to("feature/Neue_Suche", "branch", &[("index.html", "branch\n")]);
    site.commit_to("7", "branch", &[("index.html", "seven\n")]);

    let one = Preview::create_with(&host, &site, "feature/Neue_Suche", &[]);
    assert_eq!((one.slug(), one.page("/").as_str()), ("slug-site-feature-neue-suche", "branch\n"));
    let two = Preview::create_with(&host, &site, "patch", &["--pr", "7"]);
    assert_eq!((two.slug(), two.page("/").as_str()), ("slug-site-7", "pull\n"));
    assert_eq!(two.field("commit"), pull);
    // The branch `7` would have the pull request's.
    let three = Preview::create_with(&host, &site, "7", &[]);
    assert_eq!(three.page("/"), "seven\n");
    assert!(three.slug().starts_with("slug-site-7-"), "{}", three.slug());
    let four = Preview::create(&host, &other);
    assert_eq!(four.slug(), "slug-site-main");
    let five = Preview::create(&host, &site);
    assert!(five.slug().starts_with("slug-site-main-"), "{}", five.slug());
    let six = Preview::create_with(
        &host,
        &host.forge().repository("acme/own", fixture("static")),
        "main",
        &["--slug", "mine"],
    );
    assert_eq!((six.slug(), six.page("/").as_str()), ("mine", "one\n"));

    for (slug, code) in [("webhook", 2), ("slug-site-main", 4), ("No_Slug", 2)] {
        let refused = preview(&host, &["create", "acme/own", "patch", "--slug", slug]).run();
        assert_eq!(refused.code(), Some(code), "{slug}: {refused}");
    }
}

#[test]
fn a_commit_is_taken_from_its_own_branch_only() {
    let host = HOST.get();
    let site = host.forge().repository("acme/commits", fixture("static"));
    let first = site.commit("two", &[("index.html", "two\n")]);
    site.commit("three", &[("index.html", "three\n")]);
    let foreign = site.commit_to("other", "not of main", &[("index.html", "other\n")]);
    let one = Preview::create_with(&host, &site, "main", &["--commit", &first]);
    assert_eq!(one.page("/"), "two\n");
    let refused = one.command("update").args(["--commit", &foreign]).run();
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert_eq!(one.update(), "code");
    assert_eq!(one.page("/"), "three\n");
    assert_eq!(one.update_with(&["--commit", &first]), "code");
    assert_eq!(one.page("/"), "two\n");
}
