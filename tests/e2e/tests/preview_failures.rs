//! What fails at a stage of a deployment is told with the stage's own words and
//! kept for a look; an update that fails leaves the old site serving.

use std::sync::Arc;

use berth_e2e::text::{own_error, without_hashes};
use berth_e2e::{Output, Preview, PreviewHost, Repository, SharedPreviewHost, fixture, json, preview};

static HOST: SharedPreviewHost = SharedPreviewHost::named("failures");

/// A create that must fail, and stay.
#[track_caller]
fn fails(host: &Arc<PreviewHost>, repository: &Repository, options: &[&str]) -> (Preview, Output) {
    let slug = format!("{}-main", repository.name().trim_start_matches("acme/"));
    let one = Preview::attach(host, &slug);
    let output = preview(host, &["create", repository.name(), "main"]).args(options).run();
    assert_eq!(output.code(), Some(1), "{output}");
    assert_eq!(output.stdout, "");
    (one, output)
}

/// The error alone: what was said of the work before depends on its pace.
#[track_caller]
fn error(output: &Output) -> String {
    without_containers(&without_hashes(&own_error(&output.stderr)))
}

/// `p12` and `10.100.0.25` are whoever came first.
fn without_containers(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words
        .map(|word| {
            let end = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let shown = match end {
                end if end.strip_prefix('p').is_some_and(is_number) => "CONTAINER",
                end if end.starts_with("10.100.0.") => "ADDRESS",
                end => end,
            };
            format!("{shown}{}", &word[end.len()..])
        })
        .collect()
}

#[test]
fn a_meta_that_cannot_be_used_is_told_with_all_its_problems() {
    let host = HOST.get();
    let repository = host.forge().repository("acme/bad-meta", fixture("bad-meta"));
    let (one, output) = fails(&host, &repository, &[]);
    insta::assert_snapshot!(error(&output));
    assert_eq!(one.state(), "failed");
    assert!(one.field("reason").contains("declares what Berth cannot do"), "{}", one.info());
    assert_eq!(one.run("true").run().code(), Some(1), "there is nothing to enter");

    repository.replace("mend", fixture("static"));
    assert_eq!(one.update(), "deployed");
    assert_eq!(one.page("/"), "one\n");
}

#[test]
fn a_setup_that_fails_is_told_with_its_last_lines_and_can_be_mended() {
    let host = HOST.get();
    // Caddy serves the domain once one preview is there.
    let _other = Preview::create(&host, &host.forge().repository("acme/beside", fixture("static")));
    let repository = host.forge().repository("acme/setup-fails", fixture("setup-fails"));
    let (one, output) = fails(&host, &repository, &[]);
    insta::assert_snapshot!(error(&output));
    assert_eq!(one.state(), "failed");
    assert_eq!(host.get(one.slug(), "/").status, 404, "nobody is led to it");
    // It is kept for a look.
    assert_eq!(one.run("cat /var/lib/preview/site/index.html").ok().stdout, "fixed\n");
    let logs = one.command("logs").args(["--unit", "preview-setup.service"]).ok().stdout;
    assert!(logs.contains("migration 7 of 9"), "{logs}");
    let refused = one.command("restart").run();
    assert!(refused.stderr.contains("try again with `preview update setup-fails-main`"), "{refused}");

    repository.commit("mend", &[("ok", "")]);
    assert_eq!(one.update(), "deployed");
    assert_eq!(one.page("/"), "fixed\n");
    assert_eq!(one.info()["reason"], berth_e2e::Value::Null);
}

#[test]
fn an_app_that_never_listens_is_told_with_what_it_says() {
    let host = Arc::new(PreviewHost::boot("never-listens"));
    host.configure_previews("[preview.deadlines]\nready = \"10s\"\n");
    let repository = host.forge().repository("acme/never-listens", fixture("never-listens"));
    let (one, output) = fails(&host, &repository, &[]);
    insta::assert_snapshot!(error(&output));
    assert_eq!(one.state(), "failed");
    // And at an update the old site goes on.
    repository.replace("mend", fixture("static"));
    assert_eq!(one.update(), "deployed");
    repository.replace("break", fixture("never-listens"));
    let failed = one.command("update").run();
    assert_eq!(failed.code(), Some(1), "{failed}");
    insta::assert_snapshot!(error(&failed));
    assert_eq!((one.page("/").as_str(), one.state().as_str()), ("one\n", "ready"));
    // The same where only one of its routes leads to nobody.
    let to_nobody = fixture("static").replacing(
        "preview-config.nix",
        "routes = [",
        "routes = [ { path = \"/api\"; port = 4000; }",
    );
    repository.replace("half", to_nobody.with("index.html", "two\n"));
    let failed = one.command("update").run();
    insta::assert_snapshot!("a_route_to_nobody", error(&failed));
    assert_eq!((one.page("/").as_str(), one.state().as_str()), ("one\n", "ready"));
}

#[test]
fn an_app_that_crashes_before_it_answers_is_told_at_once() {
    let host = HOST.get();
    let repository = host.forge().repository("acme/crashes-later", fixture("crashes-later"));
    let (one, output) = fails(&host, &repository, &[]);
    insta::assert_snapshot!(error(&output));
    assert_eq!(one.state(), "failed");
}

#[test]
fn what_fails_with_rollback_leaves_nothing() {
    let host = HOST.get();
    let with_database = fixture("setup-fails").replacing(
        "preview-config.nix",
        "routes = [",
        "database = \"host\";\n    routes = [",
    );
    let repository = host.forge().repository("acme/rollback", with_database);
    let (one, output) = fails(&host, &repository, &["--rollback"]);
    insta::assert_snapshot!(error(&output));
    assert_eq!(one.command("info").run().code(), Some(3), "it is gone");
    one.keep();
    host.assert_clean();
}

#[test]
fn a_failed_update_leaves_the_old_site_and_the_next_one_tries_again() {
    let host = HOST.get();
    let good = fixture("setup-fails").with("ok", "").with("index.html", "good\n");
    let repository = host.forge().repository("acme/retry", good.clone());
    let one = Preview::create(&host, &repository);
    let (commit, container) = (one.field("commit"), one.container());
    let stays = |why: &str| {
        assert_eq!(one.page("/"), "good\n", "{why}");
        assert_eq!((one.field("commit"), one.container()), (commit.clone(), container.clone()), "{why}");
        assert_eq!(one.state(), "ready", "{why}");
        assert!(one.field("reason").contains("its last update came to nothing"), "{why}: {}", one.info());
    };

    // Only code: the setup that fails runs in the container that serves.
    repository.replace("break the code", fixture("setup-fails").with("index.html", "better\n"));
    let failed = one.command("update").run();
    assert_eq!(failed.code(), Some(1), "{failed}");
    insta::assert_snapshot!("code", error(&failed));
    stays("a failed setup");
    assert_eq!(
        one.run("git -C /var/lib/preview/site rev-parse HEAD").ok().stdout.trim(),
        commit,
        "the old commit was set up again"
    );

    // The system, too: the setup that fails runs in another container.
    let moved = good.clone().replacing("preview-config.nix", "8080", "8081");
    let broken = moved.clone().replacing("preview-config.nix", "site/ok", "site/missing");
    repository.replace("break the system", broken);
    let failed = one.command("update").run();
    assert_eq!(failed.code(), Some(1), "{failed}");
    insta::assert_snapshot!("system", error(&failed));
    stays("a failed switch");

    // And the system that cannot be built.
    repository.replace("break the configuration", good.with("preview-config.nix", "{ }: {"));
    let failed = one.command("update").run();
    assert_eq!(failed.code(), Some(1), "{failed}");
    stays("a failed build");
    host.assert_clean();

    repository.replace("mend", moved.with("index.html", "best\n"));
    assert_eq!(one.update(), "switched");
    assert_eq!(one.page("/"), "best\n");
    assert_eq!(one.info()["reason"], berth_e2e::Value::Null);
    let events = json(&preview(&host, &["events", one.slug(), "--json"]).ok());
    let outcomes: Vec<String> = events
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| {
            format!(
                "{} {}",
                event["action"].as_str().unwrap_or("?"),
                event["outcome"].as_str().unwrap_or("?")
            )
        })
        .collect();
    assert_eq!(outcomes.iter().filter(|event| *event == "update failed").count(), 3, "{outcomes:?}");
}

#[test]
fn what_is_not_there_is_told() {
    let host = HOST.get();
    host.forge().repository("acme/there", fixture("static"));
    let refused = |words: &[&str]| error(&preview(&host, &["create", "--rollback"]).args(words).run());
    insta::assert_snapshot!("no_repository", refused(&["acme/not-there", "main"]));
    insta::assert_snapshot!("no_branch", refused(&["acme/there", "not-there"]));
    insta::assert_snapshot!("no_pull", refused(&["acme/there", "main", "--pr", "7"]));
    host.assert_clean();
}
