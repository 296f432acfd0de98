//! An agent's life when nothing goes wrong, and when something simply fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use berth_core::{Config, Health, Phase, Shown, UnitState, Wanted};

use super::super::{AgentError, Destroyed, build, list};
use super::bed::{Bed, INSTALLABLE, NEWER, SYSTEM, by, container, name, never, path};
use crate::fake::Boot;
use crate::progress::Silent;
use crate::state::EventFilter;

#[tokio::test]
async fn a_created_agent_runs_with_all_that_belongs_to_it_and_a_destroyed_one_leaves_nothing() {
    let bed = Bed::new().await;
    let record = bed.create("fix-login").await.expect("created");

    assert_eq!(record.phase, Phase::Running);
    assert_eq!(record.wanted, Wanted::Running);
    assert_eq!(record.health, Health::Good);
    assert_eq!(record.container, container("a1"));
    assert_eq!(bed.world.unit_state(container("a1")), UnitState::Active);
    let root = bed.host.layout.container_root(container("a1"));
    assert_eq!(fs::read_to_string(root.join("etc/berth/hostname")).expect("there"), "fix-login\n");
    let key = fs::metadata(root.join("etc/berth/ssh/ssh_host_ed25519_key")).expect("there");
    assert_eq!(key.permissions().mode() & 0o7777, 0o600);

    assert_eq!(bed.destroy("fix-login").await.expect("destroyed"), Destroyed::Removed);
    bed.assert_empty("after a life").await;
    assert_eq!(bed.destroy("fix-login").await.expect("nothing to do"), Destroyed::NotThere);
}

#[tokio::test]
async fn two_hundred_lives_one_after_the_other_reuse_the_lowest_berth() {
    let bed = Bed::with_closure().await;
    bed.create("keeps-one").await.expect("created");
    for round in 0..200 {
        let record = bed.create("again").await.expect("created");
        assert_eq!(record.container, container("a2"), "round {round}");
        bed.destroy("again").await.expect("destroyed");
    }
    bed.destroy("keeps-one").await.expect("destroyed");
    bed.assert_empty("after 200 lives").await;
}

#[tokio::test]
async fn creates_at_the_same_time_get_a_berth_each() {
    let bed = Bed::new().await;
    let names: Vec<String> = (0..16).map(|n| format!("agent-{n}")).collect();
    let creates = names.iter().map(|name| bed.create(name));
    let mut slots = Vec::new();
    for created in join_all(creates).await {
        slots.push(created.expect("created").container.slot().get());
    }
    slots.sort_unstable();
    assert_eq!(slots, (1..=16).collect::<Vec<u16>>());
    let builds = bed.world.calls().into_iter().filter(|call| call.starts_with("nix.build")).count();
    assert_eq!(builds, 1, "sixteen creates share one build");
    for destroyed in join_all(names.iter().map(|name| bed.destroy(name))).await {
        destroyed.expect("destroyed");
    }
    bed.assert_empty("after sixteen lives").await;
}

#[tokio::test]
async fn a_taken_name_is_refused_and_its_owner_stays() {
    let bed = Bed::with_closure().await;
    bed.create("one").await.expect("created");
    let error = bed.create("one").await.expect_err("taken");
    assert!(matches!(error, AgentError::Exists { .. }), "{error}");
    assert_eq!(bed.records().await.len(), 1);
    assert_eq!(bed.world.unit_state(container("a1")), UnitState::Active);
}

#[tokio::test]
async fn two_destroys_of_one_agent_both_succeed() {
    let bed = Bed::with_closure().await;
    bed.create("one").await.expect("created");
    let (first, second) = tokio::join!(bed.destroy("one"), bed.destroy("one"));
    let outcomes = [first.expect("destroyed"), second.expect("nothing to do")];
    assert!(
        outcomes.contains(&Destroyed::Removed) && outcomes.contains(&Destroyed::NotThere),
        "{outcomes:?}"
    );
    bed.assert_empty("after two destroys").await;
}

#[tokio::test]
async fn a_paused_agent_keeps_its_berth_its_files_and_its_host_key() {
    let bed = Bed::with_closure().await;
    let before = bed.create("one").await.expect("created");
    let work = bed.host.layout.container_root(before.container).join("work");
    fs::write(&work, "mine").expect("written");

    let stopped = bed.stop("one").await.expect("stopped");
    assert_eq!((stopped.phase, stopped.wanted), (Phase::Stopped, Wanted::Stopped));
    assert_eq!(bed.world.unit_state(before.container), UnitState::Inactive);
    assert_eq!(bed.create("two").await.expect("created").container, container("a2"));

    let started = bed.start("one").await.expect("started");
    assert_eq!(started.phase, Phase::Running);
    assert_eq!(started.host_key, before.host_key);
    assert_eq!(fs::read_to_string(work).expect("still there"), "mine");
    bed.assert_lawful("after a pause");
}

#[tokio::test]
async fn a_credential_that_is_configured_no_more_goes_at_the_next_start() {
    let mut bed = Bed::with_closure().await;
    let source = bed.host.layout.root().join("token");
    fs::write(&source, "secret").expect("written");
    let text = format!(
        "subnet = \"10.9.8.0/24\"\n[[agent.credential]]\nname = \"token\"\nsource = \"{}\"\n",
        source.display()
    );
    bed.host.config = Config::parse(&text).expect("a configuration");
    let record = bed.create("one").await.expect("created");
    let credential = bed.host.layout.container_root(record.container).join("etc/berth/credentials/token");
    assert_eq!(fs::read_to_string(&credential).expect("there"), "secret");

    bed.host.config = Config::parse("subnet = \"10.9.8.0/24\"\n").expect("a configuration");
    bed.stop("one").await.expect("stopped");
    bed.start("one").await.expect("started");
    assert!(!credential.exists());
}

#[tokio::test]
async fn a_container_that_does_not_boot_is_taken_back_with_its_last_words() {
    for boot in [Boot::Fails, Boot::Hangs, Boot::WithoutSsh, Boot::WithOtherHostKey] {
        let bed = Bed::with_closure().await;
        bed.world.boots(container("a1"), boot.clone());
        let error = bed.create("one").await.expect_err("it does not boot");
        assert!(matches!(error, AgentError::Create { .. }), "{boot:?}: {error}");
        let titles: Vec<String> = error.details().into_iter().map(|detail| detail.title).collect();
        assert!(titles.contains(&"taken back".to_owned()), "{boot:?}: {titles:?}");
        bed.assert_empty(&format!("after {boot:?}")).await;
    }
}

#[tokio::test]
async fn a_failed_unit_inside_is_told_as_degraded() {
    let bed = Bed::with_closure().await;
    bed.world.boots(container("a1"), Boot::Degraded(vec!["nginx.service".to_owned()]));
    bed.create("one").await.expect("it is up all the same");
    let agents = list(&bed.host).await.expect("listed");
    assert_eq!(agents[0].state, Shown::Degraded);
    assert_eq!(agents[0].failed_units, ["nginx.service"]);
}

#[tokio::test]
async fn a_list_asks_systemd_once_however_many_agents_there_are() {
    let bed = Bed::with_closure().await;
    for n in 0..10 {
        bed.create(&format!("agent-{n}")).await.expect("created");
    }
    let before = bed.world.calls().len();
    assert_eq!(list(&bed.host).await.expect("listed").len(), 10);
    let asked = &bed.world.calls()[before..];
    assert_eq!(asked, ["systemd.unit_states", "containers.list"]);
}

#[tokio::test]
async fn what_stays_keeps_its_record_and_its_berth_until_it_can_be_removed() {
    let bed = Bed::with_closure().await;
    bed.create("one").await.expect("created");
    bed.world.fail_always("containers.remove");
    let error = bed.destroy("one").await.expect_err("something is in the way");
    assert!(matches!(&error, AgentError::Destroy { left, .. } if left.len() == 1), "{error:?}");
    assert_eq!(bed.records().await[0].phase, Phase::Destroying);
    assert_eq!(bed.create("two").await.expect("created").container, container("a2"), "a1 is not given away");

    bed.world.clear_faults();
    bed.destroy("one").await.expect("destroyed");
    bed.destroy("two").await.expect("destroyed");
    bed.assert_empty("once nothing is in the way").await;
}

#[tokio::test]
async fn an_old_root_without_a_record_is_never_adopted() {
    let bed = Bed::with_closure().await;
    let old = bed.host.layout.container_root(container("a1"));
    fs::create_dir_all(old.join("etc")).expect("made");
    fs::write(old.join("etc/passwd"), "somebody else's").expect("written");
    let record = bed.create("one").await.expect("created");
    assert_eq!(record.container, container("a1"));
    assert!(!old.join("etc/passwd").exists());
}

#[tokio::test]
async fn agents_keep_their_closure_and_the_last_one_lets_it_go() {
    let bed = Bed::with_closure().await;
    bed.create("old").await.expect("created");
    bed.world.flake_builds(INSTALLABLE, Ok(path(NEWER)));
    let built = build(&bed.host, &by(), &Silent, &never()).await.expect("built");
    assert!(built.is_new);
    assert_eq!(bed.create("new").await.expect("created").system, path(NEWER));

    bed.world.collect_garbage();
    bed.stop("old").await.expect("stopped");
    assert_eq!(bed.start("old").await.expect("its system is still there").system, path(SYSTEM));

    bed.destroy("old").await.expect("destroyed");
    let kept = bed.host.state.closures().await.expect("listed");
    assert_eq!(kept.iter().map(|closure| closure.system.clone()).collect::<Vec<_>>(), [path(NEWER)]);
    let roots = fs::read_dir(bed.host.layout.gc_roots_dir()).expect("a folder").count();
    assert_eq!(roots, 1);
}

#[tokio::test]
async fn a_closure_that_somebody_deleted_is_built_again() {
    let bed = Bed::with_closure().await;
    fs::remove_dir_all(bed.host.layout.gc_roots_dir()).expect("the roots are gone");
    bed.world.collect_garbage();
    bed.create("one").await.expect("created from a fresh build");
}

#[tokio::test]
async fn a_flake_that_fails_leaves_no_record_and_no_root() {
    let bed = Bed::new().await;
    bed.world.flake_builds(INSTALLABLE, Err("error: attribute 'agent' missing"));
    let error = bed.create("one").await.expect_err("no system");
    assert!(matches!(error, AgentError::NoClosure(_)), "{error}");
    bed.assert_empty("after a failed build").await;
    assert_eq!(bed.host.state.builds().await.expect("listed"), []);
    assert_eq!(fs::read_dir(bed.host.layout.gc_roots_dir()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn events_tell_who_did_what_and_outlive_the_agent() {
    let bed = Bed::with_closure().await;
    bed.create("one").await.expect("created");
    bed.destroy("one").await.expect("destroyed");
    let filter = EventFilter { name: Some(name("one")), ..EventFilter::default() };
    let events = bed.host.state.events(&filter).await.expect("listed");
    let told: Vec<String> =
        events.iter().map(|event| format!("{} {} {}", event.actor, event.action, event.outcome)).collect();
    assert_eq!(
        told,
        ["ada create began", "ada create succeeded", "ada destroy began", "ada destroy succeeded"]
    );
}

#[tokio::test]
async fn after_a_reboot_reconcile_starts_what_should_run_and_nothing_else() {
    let bed = Bed::with_closure().await;
    bed.create("runs").await.expect("created");
    bed.create("paused").await.expect("created");
    bed.stop("paused").await.expect("stopped");
    bed.world.reboot();

    let report = bed.reconcile().await;

    assert_eq!(report.left, [""; 0]);
    assert_eq!(report.done, ["loaded the firewall", "started the agent `runs`"]);
    assert_eq!(bed.world.unit_state(container("a1")), UnitState::Active);
    assert_eq!(bed.world.unit_state(container("a2")), UnitState::Inactive);
    assert_eq!(bed.reconcile().await.done, [""; 0], "a second time there is nothing to do");
}

async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
