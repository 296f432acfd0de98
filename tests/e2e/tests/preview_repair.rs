//! After a reboot, and after a process that was killed at any moment,
//! `preview doctor --fix` makes the host what the records say.

use std::sync::Arc;
use std::time::Duration;

use berth_e2e::{
    Preview, PreviewHost, Repository, Running, Signal, TestHost, fixture, json, preview, wait_until,
};

const SOON: Duration = Duration::from_mins(1);

/// Steps of `preview create -v`, in their order.
const CREATE: [&str; 9] = [
    "fetch branch",
    "evaluate preview-config.nix",
    "prepare the database",
    "hand the commit over",
    "create container",
    "start p",
    "set up with",
    "wait for an answer",
    "lead requests to it",
];
/// Steps of an update that makes a second berth.
const UPDATE: [&str; 5] =
    ["create container", "start p", "set up with", "switch over", "let the old site finish"];
/// Steps of a destroy.
const DESTROY: [&str; 4] = ["lead no requests", "stop p", "drop the database", "remove its source"];

/// Kills a command when it begins this step. False if it ended before.
fn kill_at(running: Running, step: &str) -> bool {
    let mut is_there = false;
    wait_until(SOON, step, || {
        let said = running.stderr_so_far();
        is_there = said.contains(step);
        is_there || said.contains("error:")
    });
    running.signal(Signal::KILL);
    let ended = running.wait();
    is_there && (ended.signal() == Some(9) || ended.code() == Some(137))
}

#[track_caller]
fn repair(host: &TestHost, when: &str) {
    let repaired = preview(host, &["doctor", "--fix"]).run();
    assert_eq!(repaired.code(), Some(0), "{when}: {repaired}");
    let again = preview(host, &["doctor", "--fix", "--json"]).ok();
    assert!(again.stdout.contains("\"repaired\": []"), "{when}: it is all repaired: {again}");
    host.assert_clean();
}

fn app(host: &PreviewHost) -> Repository {
    host.forge().repository("acme/app", fixture("database"))
}

#[test]
fn a_create_that_is_killed_at_any_step_is_taken_back_by_doctor() {
    let host = Arc::new(PreviewHost::boot("kill-create"));
    for (number, step) in CREATE.into_iter().enumerate() {
        // Another key each time: the system is built anew.
        let files =
            fixture("database").replacing("preview-config.nix", "Count visits", &format!("Count {number}"));
        let app = host.forge().repository("acme/app", files);
        let create = preview(&host, &["create", app.name(), "main", "-v"]).spawn();
        assert!(kill_at(create, step), "{step}");
        repair(&host, step);
        assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n", "{step}");
    }
    let one = Preview::create(&host, &app(&host));
    assert_eq!(one.page("/"), "visits: 1\n");
}

#[test]
fn an_update_that_is_killed_at_any_step_leaves_a_site_that_serves() {
    let host = Arc::new(PreviewHost::boot("kill-update"));
    let one = Preview::create(&host, &app(&host));
    for (visits, step) in (1..).zip(UPDATE) {
        assert!(kill_at(one.command("update").args(["--force", "-v"]).spawn(), step), "{step}");
        repair(&host, step);
        assert_eq!(one.page("/"), format!("visits: {visits}\n"), "{step}");
        assert_eq!(one.state(), "ready", "{step}");
    }
    assert_eq!(one.update_with(&["--force"]), "switched");
    assert_eq!(one.page("/"), "visits: 6\n");
}

#[test]
fn a_code_update_that_is_killed_is_taken_back_and_can_be_repeated() {
    let host = Arc::new(PreviewHost::boot("kill-code"));
    let site = host.forge().repository("acme/site", fixture("static"));
    let one = Preview::create(&host, &site);
    let commit = one.field("commit");
    for (number, step) in ["hand the new commit over", "set up with", "start site"].into_iter().enumerate() {
        site.commit("change", &[("index.html", &format!("new {number}\n"))]);
        assert!(kill_at(one.command("update").arg("-v").spawn(), step), "{step}");
        repair(&host, step);
        wait_until(SOON, "the commit that is recorded is served", || one.get("/").body == "one\n");
        assert_eq!(one.field("commit"), commit, "{step}");
    }
    assert_eq!(one.update(), "code");
    assert_eq!(one.page("/"), "new 2\n");
}

#[test]
fn a_destroy_that_is_killed_at_any_step_is_finished_by_doctor() {
    let host = Arc::new(PreviewHost::boot("kill-destroy"));
    for step in DESTROY {
        let one = Preview::create(&host, &app(&host));
        assert!(kill_at(one.command("destroy").arg("-v").spawn(), step), "{step}");
        one.keep();
        repair(&host, step);
        assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n", "{step}");
    }
}

#[test]
fn after_a_reboot_all_previews_that_should_run_come_back() {
    let mut host = Arc::new(PreviewHost::boot("reboot"));
    let site = host.forge().repository("acme/site", fixture("static"));
    Preview::create(&host, &site).keep();
    let one = Preview::create(&host, &app(&host));
    assert_eq!(one.page("/"), "visits: 1\n");
    one.keep();
    let broken = host.forge().repository("acme/broken", fixture("setup-fails"));
    preview(&host, &["create", broken.name(), "main"]).run();

    Arc::get_mut(&mut host).expect("nobody else has it").reboot();
    assert_eq!(host.get("site-main", "/").status, 502, "Caddy is up with its routes, the containers are not");
    let found = preview(&host, &["doctor"]).run();
    assert!(found.stdout.contains("the preview `site-main` should run and does not"), "{found}");
    preview(&host, &["doctor", "--fix"]).ok();
    assert_eq!(host.get("site-main", "/").body, "one\n");
    assert_eq!(host.get("app-main", "/").body, "visits: 2\n");
    let broken = Preview::attach(&host, "broken-main");
    assert_eq!(broken.state(), "failed", "what had failed stays so");
    for slug in ["site-main", "app-main"] {
        Preview::attach(&host, slug).destroy();
    }
}

#[test]
fn a_container_that_rebooted_itself_is_not_called_ready_and_comes_back_with_its_services() {
    let host = Arc::new(PreviewHost::boot("reboot-inside"));
    let site = host.forge().repository("acme/site", fixture("static"));
    let preview_of_it = Preview::create(&host, &site);
    let before = preview_of_it.page("/");
    // The connection dies with the container, in one way or another.
    preview_of_it.run_as_root("systemctl reboot --force").run();
    wait_until(SOON, "it is told that it is not set up", || {
        let told = preview_of_it.command("info").arg("--json").ok();
        json(&told)["state"] == "not set up"
    });
    repair(&host, "after a reboot from inside");
    assert_eq!(preview_of_it.page("/"), before);
}
