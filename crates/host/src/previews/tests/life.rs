//! A preview's life when nothing goes wrong, and when something simply fails.

use std::fs;
use std::os::unix::fs::MetadataExt;

use berth_core::{PreviewPhase, UnitState, guest};
use secrecy::ExposeSecret;

use super::super::{CreateOptions, UpdateKind, list, view};
use super::bed::{Bed, SECRET, TOKEN, commit, container, forced, name, never, options, system};
use crate::agents::Destroyed;
use crate::repos::Wanted;
use crate::state::EventFilter;

#[tokio::test]
async fn a_created_preview_serves_with_all_that_belongs_to_it_and_a_destroyed_one_leaves_nothing() {
    let bed = Bed::new().await;
    let record = bed.create("main").await.expect("created");
    assert_eq!((record.slug.as_str(), record.phase), ("site-main", PreviewPhase::Ready));
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Active);
    bed.assert_serves("site-main", 1, "after its creation").await;
    bed.assert_agree("after a create").await;
    let seen = view(&bed.host, &name("site-main")).await.expect("seen");
    assert_eq!(seen.urls, ["https://site-main.example.com", "https://admin-site-main.example.com"]);
    assert_eq!(seen.database, Some(record.id.database()));
    assert_eq!(seen.commit, Some(commit(1)));

    assert_eq!(bed.destroy("site-main").await.expect("destroyed"), Destroyed::Removed);
    bed.assert_empty("after a life").await;
    assert_eq!(bed.destroy("site-main").await.expect("nothing to do"), Destroyed::NotThere);
}

#[tokio::test]
async fn an_update_without_anything_new_does_nothing() {
    let bed = Bed::new().await;
    let before = bed.create("main").await.expect("created");
    let (reloads, calls) = (bed.world.reloads(), bed.world.calls().len());
    let updated = bed.update("site-main").await.expect("updated");
    assert_eq!(updated.kind, UpdateKind::Nothing);
    assert_eq!(updated.record, before);
    assert_eq!(bed.world.reloads(), reloads);
    let changing = ["containers.", "guests.", "systemd.st", "firewall.", "postgres.", "repos.publish"];
    let calls = bed.world.calls().split_off(calls);
    let done: Vec<&String> =
        calls.iter().filter(|call| changing.iter().any(|c| call.starts_with(c))).collect();
    assert!(done.is_empty(), "{done:?}");
}

#[tokio::test]
async fn an_update_of_the_code_alone_keeps_the_container_and_the_route() {
    let (bed, before) = Bed::deployed("one").await;
    let reloads = bed.world.reloads();
    assert_eq!(bed.assert_updates_to("site-main", 2, "of the code").await, UpdateKind::Code);
    let record = bed.record("site-main").await;
    assert_eq!(record.berth, before.berth);
    assert_eq!(record.phase, PreviewPhase::Ready);
    assert_eq!(bed.world.reloads(), reloads);
}

#[tokio::test]
async fn an_update_of_the_system_switches_to_a_second_berth_and_keeps_the_database() {
    let (bed, before) = Bed::deployed("two").await;
    let password = bed.world.database_password(before.id).expect("a database");
    assert_eq!(bed.assert_updates_to("site-main", 2, "of the system").await, UpdateKind::Switched);
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Inactive);
    assert_eq!(bed.world.unit_state(container("p2")), UnitState::Active);
    let after = bed.world.database_password(before.id).expect("a database");
    assert_eq!(after.expose_secret(), password.expose_secret());
    assert!(bed.world.calls().iter().all(|call| !call.starts_with("postgres.remove")));
    let seen = view(&bed.host, &name("site-main")).await.expect("seen");
    assert_eq!(seen.urls, ["https://site-main.example.com", "https://docs-site-main.example.com"]);
}

#[tokio::test]
async fn a_forced_update_makes_a_new_berth_from_the_same_commit() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    let updated = bed.update_with("site-main", forced(), &never()).await.expect("updated");
    assert_eq!(updated.kind, UpdateKind::Switched);
    bed.assert_serves("site-main", 1, "after a forced update").await;
    assert_eq!(bed.container(&updated.record).await, container("p2"));
}

#[tokio::test]
async fn a_preview_is_told_who_it_is_and_gets_the_secrets_that_it_is_granted() {
    let bed = Bed::new().await;
    let record = bed.create("main").await.expect("created");
    let root = bed.host.layout.container_root(container("p1"));
    let environment = fs::read_to_string(root.join(guest::ENVIRONMENT)).expect("there");
    let source = bed.host.layout.source(record.id).display().to_string();
    for part in ["site-main.example.com", "DATABASE_URL", SECRET, source.as_str()] {
        assert!(environment.contains(part), "{part}: {environment}");
    }
    assert!(fs::read_to_string(root.join(guest::TOKEN)).expect("there").starts_with(TOKEN));
    let mode = fs::metadata(root.join(guest::ENVIRONMENT)).expect("there").mode() & 0o7777;
    assert_eq!(mode, 0o400);
}

#[tokio::test]
async fn a_fork_gets_neither_secrets_nor_the_token() {
    let bed = Bed::new().await;
    let pull = "7".parse().expect("a number");
    bed.push_to(&Wanted::Pull(pull), 5, "one");
    let mut options = options("main");
    (options.source.pull, options.is_trusted) = (Some(pull), false);
    bed.create_with(options, &never()).await.expect("created");
    let root = bed.host.layout.container_root(container("p1"));
    let environment = fs::read_to_string(root.join(guest::ENVIRONMENT)).expect("there");
    assert!(!environment.contains(SECRET) && !environment.contains("API_KEY"), "{environment}");
    assert!(!root.join(guest::TOKEN).exists());
    // Nor after an update or a restart.
    bed.push_to(&Wanted::Pull(pull), 6, "one");
    bed.assert_updates_to("site-7", 6, "of a fork").await;
    bed.restart_until("site-7", &never()).await.expect("restarted");
    let environment = fs::read_to_string(root.join(guest::ENVIRONMENT)).expect("there");
    assert!(!environment.contains(SECRET), "{environment}");
    assert!(!root.join(guest::TOKEN).exists());
}

#[tokio::test]
async fn a_secret_that_is_not_granted_is_refused_with_its_name() {
    let mut bed = Bed::new().await;
    bed.host.config.preview.as_mut().expect("configured").secrets.clear();
    let error = bed.create("main").await.expect_err("it is not granted");
    insta::assert_snapshot!(
        crate::agents::chain(&error),
        @"could not create the preview `site-main`: `API_KEY` is not granted to `acme/site`: the operator can add the repository to its `[[preview.secret]]`, or leave it out of `hostSecrets`"
    );
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Inactive);
}

#[tokio::test]
async fn a_changed_secret_reaches_the_services_by_a_second_berth() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    let secret = bed.host.config.preview.as_ref().expect("configured").secrets[0].source.clone();
    fs::write(secret, "another").expect("written");
    let updated = bed.update("site-main").await.expect("updated");
    assert_eq!(updated.kind, UpdateKind::Switched);
    bed.assert_serves("site-main", 1, "after the change").await;
    let environment = &bed.world.services(container("p2"))["web.service"];
    assert!(environment.contains("another") && !environment.contains(SECRET), "{environment}");
}

#[tokio::test]
async fn one_that_nobody_waits_for_is_led_to_at_once() {
    let bed = Bed::new().await;
    bed.world.answers("10.9.8.3:3000".parse().expect("an address"), &[None]);
    let options = CreateOptions { wait: false, ..options("main") };
    let record = bed.create_with(options, &never()).await.expect("created");
    assert_eq!(record.phase, PreviewPhase::Running);
    bed.assert_serves("site-main", 1, "without an answer").await;
    // Nothing new does not make it ready.
    let updated = bed.update("site-main").await.expect("nothing to do");
    assert_eq!((updated.kind, updated.record.phase), (UpdateKind::Nothing, PreviewPhase::Running));
    bed.push("main", 2, "one");
    let error = bed.update("site-main").await.expect_err("it does not answer");
    assert!(error.on_one_line().contains("nothing answered on port 3000"), "{}", error.on_one_line());
    assert_eq!(bed.record("site-main").await.phase, PreviewPhase::Running);
    bed.assert_serves("site-main", 1, "after a failed update").await;
}

#[tokio::test]
async fn visitors_are_not_led_to_a_site_of_which_a_port_is_still_missing() {
    let (bed, _) = Bed::deployed("two").await;
    let other = "10.9.8.5:4001".parse().expect("an address");
    bed.world.answers(other, &[None]);
    let error = bed.update("site-main").await.expect_err("nobody listens there");
    assert!(error.on_one_line().contains("nothing answered on port 4001"), "{}", error.on_one_line());
    bed.assert_serves("site-main", 1, "after a failed update").await;

    bed.world.answers(other, &[None, None, Some(404)]);
    bed.update("site-main").await.expect("it listens in the end, whatever it says");
    bed.assert_serves("site-main", 2, "after the update").await;
}

#[tokio::test]
async fn a_service_that_fails_is_told_with_its_last_words_and_the_preview_is_kept_for_a_look() {
    let bed = Bed::new().await;
    bed.world.service_fails("setup.service", true);
    let error = bed.create("main").await.expect_err("it fails");
    let details: Vec<String> = error
        .details()
        .into_iter()
        .map(|detail| format!("{}: {}", detail.title, detail.lines.join(" / ")))
        .collect();
    insta::assert_snapshot!(format!("{error}\n{}", details.join("\n")), @"
    could not create the preview `site-main`
    the last lines of setup.service: the last words of setup.service in p1
    it is kept: look at it with `preview logs site-main` and `preview run site-main --root -- bash` / then try again with `preview update site-main`, or remove it with `preview destroy site-main`
    ");
    let record = bed.record("site-main").await;
    assert_eq!((record.phase, record.commit), (PreviewPhase::Failed, None));
    assert_eq!(bed.world.unit_state(container("p1")), UnitState::Active);
    bed.assert_agree("after a failed create").await;
    let error = bed.restart_until("site-main", &never()).await.expect_err("it never was");
    assert!(error.to_string().contains("preview update site-main"), "{error}");

    bed.world.service_fails("setup.service", false);
    assert_eq!(bed.assert_updates_to("site-main", 1, "again").await, UpdateKind::Deployed);
}

#[tokio::test]
async fn an_update_whose_services_fail_leaves_the_old_site_and_the_next_one_tries_again() {
    for (next, kind) in [("one", UpdateKind::Code), ("two", UpdateKind::Switched)] {
        let (bed, _) = Bed::deployed(next).await;
        bed.world.fail_next("guests.restart_unit");
        let error = bed.update("site-main").await.expect_err("it fails");
        assert!(error.to_string().ends_with("it serves on what it did"), "{error}");
        let record = bed.record("site-main").await;
        assert_eq!((record.phase, record.commit), (PreviewPhase::Ready, Some(commit(1))));
        assert!(record.reason.expect("a reason").starts_with("its last update came to nothing: "));
        bed.assert_serves("site-main", 1, "after a failed update").await;
        bed.assert_agree("after a failed update").await;
        assert_eq!(bed.assert_updates_to("site-main", 2, "again").await, kind);
        assert_eq!(bed.record("site-main").await.reason, None);
    }
}

#[tokio::test]
async fn a_commit_that_cannot_be_handed_back_is_not_told_to_serve_on() {
    let (bed, _) = Bed::deployed("one").await;
    bed.world.service_fails("web.service", true);
    let error = bed.update("site-main").await.expect_err("it fails");
    assert!(error.to_string().ends_with("nobody knows whether it still answers"), "{error}");
    assert_eq!(bed.record("site-main").await.phase, PreviewPhase::Running);
    bed.world.service_fails("web.service", false);
    let restarted = bed.restart_until("site-main", &never()).await.expect("restarted");
    assert_eq!(restarted.phase, PreviewPhase::Ready);
    bed.assert_serves("site-main", 1, "after a restart").await;
}

#[tokio::test]
async fn a_restart_brings_the_services_up_again_and_a_failed_one_says_so() {
    let bed = Bed::new().await;
    let before = bed.create("main").await.expect("created");
    let after = bed.restart_until("site-main", &never()).await.expect("restarted");
    assert_eq!((after.berth, after.phase), (before.berth, PreviewPhase::Ready));
    bed.assert_serves("site-main", 1, "after a restart").await;

    bed.world.service_fails("web.service", true);
    bed.restart_until("site-main", &never()).await.expect_err("it fails");
    let record = bed.record("site-main").await;
    assert_eq!(record.phase, PreviewPhase::Running);
    assert!(record.reason.expect("a reason").starts_with("its last restart came to nothing: "));
}

#[tokio::test]
async fn after_a_reboot_reconcile_brings_every_preview_back_and_nothing_else() {
    let bed = Bed::new().await;
    for branch in ["a", "b", "fails"] {
        bed.push(branch, 1, "one");
    }
    bed.create("a").await.expect("created");
    bed.create("b").await.expect("created");
    bed.world.service_fails("web.service", true);
    bed.create("fails").await.expect_err("it fails");
    bed.world.service_fails("web.service", false);
    bed.world.reboot();
    assert_eq!(bed.states().await, ["site-a stopped", "site-b stopped", "site-fails failed"]);

    let report = bed.reconcile().await;
    assert_eq!(report.left, [""; 0]);
    assert_eq!(
        report.done,
        ["loaded the firewall", "started the preview `site-a`", "started the preview `site-b`"]
    );
    for slug in ["site-a", "site-b"] {
        bed.assert_serves(slug, 1, "after a reboot").await;
    }
    bed.assert_agree("after a reboot").await;
    assert_eq!(bed.reconcile().await.done, [""; 0], "a second time there is nothing to do");
}

#[tokio::test]
async fn an_update_that_the_hosts_reboot_cut_short_is_taken_back_and_the_old_site_brought_up_at_once() {
    for next in ["one", "two"] {
        let (bed, _) = Bed::deployed(next).await;
        bed.until_it_hangs_in("guests.restart_unit", bed.update("site-main")).await;
        bed.world.reboot();
        assert_eq!(bed.reconcile().await.left, [""; 0]);
        bed.assert_serves("site-main", 1, "after a reboot").await;
        bed.assert_agree("after a reboot").await;
        bed.assert_updates_to("site-main", 2, "after a reboot").await;
    }
}

#[tokio::test]
async fn a_list_asks_systemd_two_questions_however_many_previews_there_are() {
    let bed = Bed::new().await;
    for number in 0..4 {
        let branch = format!("branch-{number}");
        bed.push(&branch, 1, "one");
        bed.create(&branch).await.expect("created");
    }
    let before = bed.world.calls().len();
    assert_eq!(list(&bed.host).await.expect("listed").len(), 4);
    assert_eq!(bed.world.calls()[before..], ["systemd.unit_states", "systemd.restarted"]);
}

#[tokio::test]
async fn the_old_site_goes_when_nobody_talks_to_it_any_more() {
    let (bed, _) = Bed::deployed("two").await;
    bed.world.has_connections("10.9.8.3".parse().expect("an address"), &[2, 1, 0]);
    bed.update("site-main").await.expect("updated");
    let calls = bed.world.calls();
    let looks = calls.iter().filter(|call| call.starts_with("network.connections 10.9.8.3")).count();
    assert!(looks >= 1, "{calls:?}");
    let place =
        |wanted: &str| calls.iter().rposition(|call| call.starts_with(wanted)).expect("it was called");
    assert!(place("caddy.reload") < place("network.connections"));
    assert!(place("network.connections") < place("systemd.stop p1"));
}

#[tokio::test]
async fn a_repository_without_a_configuration_is_refused_unless_the_operator_allows_the_hosts_own() {
    let mut bed = Bed::new().await;
    let wanted = Wanted::Branch("plain".parse().expect("a branch"));
    let repo = "acme/site".parse().expect("a repository");
    bed.world.push(&repo, &wanted, &commit(3), berth_core::NixFiles::new());
    bed.world.preview_evaluates(None, Ok((system(5), r#"{"routes":[{"path":"/","port":80}]}"#)));
    let error = bed.create("plain").await.expect_err("there is nothing to build");
    assert!(error.on_one_line().contains("has no `preview-config.nix`"), "{}", error.on_one_line());
    bed.host.config.preview.as_mut().expect("configured").allows_default_configuration = true;
    assert_eq!(bed.assert_updates_to("site-plain", 3, "with the host's own").await, UpdateKind::Deployed);
}

#[tokio::test]
async fn events_tell_who_did_what_and_outlive_the_preview() {
    let (bed, _) = Bed::deployed("one").await;
    bed.update("site-main").await.expect("updated");
    bed.restart_until("site-main", &never()).await.expect("restarted");
    bed.destroy("site-main").await.expect("destroyed");
    let filter = EventFilter { name: Some(name("site-main")), ..EventFilter::default() };
    let events = bed.host.state.events(&filter).await.expect("listed");
    let told: Vec<String> =
        events.iter().map(|event| format!("{} {} {}", event.actor, event.action, event.outcome)).collect();
    assert_eq!(
        told,
        [
            "ada create began",
            "ada create succeeded",
            "ada update began",
            "ada update succeeded",
            "ada restart succeeded",
            "ada destroy began",
            "ada destroy succeeded",
        ]
    );
}

#[tokio::test]
async fn many_updates_one_after_the_other_leave_one_berth() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    for round in 0..40 {
        bed.update_with("site-main", forced(), &never()).await.expect("updated");
        assert_eq!(bed.host.state.berths(None).await.expect("read").len(), 1, "round {round}");
    }
    bed.destroy("site-main").await.expect("destroyed");
    bed.assert_empty("after many updates").await;
}

#[tokio::test]
async fn a_tool_that_is_down_keeps_nothing_else_from_its_repair() {
    let bed = Bed::new().await;
    bed.create("main").await.expect("created");
    bed.world.reboot();
    bed.world.has_postgres(false);
    let report = bed.reconcile().await;
    assert_eq!(report.done, ["loaded the firewall", "started the preview `site-main`"]);
    assert_eq!(report.left.len(), 1, "{report:?}");
    bed.assert_serves("site-main", 1, "without PostgreSQL").await;

    bed.world.has_postgres(true);
    bed.push("other", 1, "one");
    bed.until_it_hangs_in("guests.restart_unit", bed.create("other")).await;
    bed.world.fail_always("caddy.features");
    let report = bed.reconcile().await;
    assert_eq!(report.done, ["removed the preview `site-other`, whose creation was cut short"]);
    assert_eq!(report.left.len(), 1, "{report:?}");
    bed.world.clear_faults();
    assert_eq!(bed.reconcile().await.left, [""; 0]);
    bed.assert_agree("with all tools").await;
}

#[tokio::test]
async fn a_container_that_rebooted_itself_is_not_called_ready_and_is_set_up_again() {
    let bed = Bed::new().await;
    let record = bed.create("main").await.expect("created");
    let container = bed.container(&record).await;

    bed.world.reboot_inside(container);
    assert_eq!(bed.states().await, ["site-main not set up"]);
    assert_eq!(bed.reconcile().await.done, ["started the preview `site-main`"]);
    assert_eq!(bed.states().await, ["site-main ready"]);
    bed.assert_serves("site-main", 1, "after a repair").await;

    bed.world.reboot_inside(container);
    let updated = bed.update("site-main").await.expect("updated");
    assert_eq!(updated.kind, UpdateKind::Switched, "what does not run is not handed anything");
    bed.assert_serves("site-main", 1, "after an update").await;
}
