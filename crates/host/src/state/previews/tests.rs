use berth_core::Kind;

use super::super::tests::{Home, closure, moment, name, new_berth, subnet};
use super::*;
use crate::state::NewBerth;

const NET: &str = "10.100.0.0/16";

fn new_preview(branch: &str) -> NewPreview {
    NewPreview {
        repo: "Acme/Site".parse().unwrap(),
        branch: branch.parse().unwrap(),
        pull: None,
        slug: None,
        default_repository: None,
        reserved: vec![name("site-internal")],
        is_trusted: true,
        limits: Limits {
            memory: "1G".parse().unwrap(),
            cpus: "1".parse().unwrap(),
            tasks: "100".parse().unwrap(),
        },
        created_by: "ada".to_owned(),
        created_at: moment(10),
        expires_at: Some(moment(20)),
    }
}

fn of_pull(number: &str) -> NewPreview {
    NewPreview { pull: Some(number.parse().unwrap()), ..new_preview("fix/login") }
}

#[tokio::test]
async fn a_branch_and_a_pull_request_of_it_are_two_previews_with_two_slugs() {
    let home = Home::new();
    let state = home.state().await;
    let branch = state.add_preview(new_preview("12")).await.unwrap();
    let pull = state.add_preview(of_pull("12")).await.unwrap();
    assert_eq!(branch.slug, name("site-12"));
    assert_ne!(pull.slug, branch.slug);
    assert_eq!(branch.repository, pull.repository);
    assert_eq!(state.preview_called(&pull.slug).await.unwrap(), Some(pull.clone()));
    assert_eq!(state.preview_of(pull.id).await.unwrap(), Some(pull));
    assert_eq!(state.previews().await.unwrap().len(), 2);
    assert_eq!(state.repositories().await.unwrap(), [(branch.repository, branch.repo)]);
}

#[tokio::test]
async fn a_second_preview_of_one_branch_or_pull_request_is_refused_with_the_first_ones_slug() {
    let home = Home::new();
    let state = home.state().await;
    for new in [new_preview("main"), of_pull("7")] {
        state.add_preview(new.clone()).await.unwrap();
        let again = NewPreview { slug: Some(name("other")), ..new };
        let error = state.add_preview(again).await.unwrap_err();
        assert!(error.to_string().contains("has a preview already: `site-"), "{error}");
    }
}

#[tokio::test]
async fn chosen_and_reserved_names_are_never_given_twice() {
    let home = Home::new();
    let state = home.state().await;
    let reserved = state.add_preview(new_preview("internal")).await.unwrap();
    assert_ne!(reserved.slug, name("site-internal"), "the operator keeps that name");
    let chosen = NewPreview { slug: Some(name("shop")), ..new_preview("shop") };
    state.add_preview(chosen).await.unwrap();
    let again = NewPreview { slug: Some(name("shop")), ..new_preview("other") };
    let error = state.add_preview(again).await.unwrap_err();
    insta::assert_snapshot!(error, @"the host name `shop` is taken by the preview `shop`; choose another slug or prefix, or remove that one with `preview destroy shop`");
}

#[tokio::test]
async fn host_names_are_unique_among_all_previews_and_go_with_theirs() {
    let home = Home::new();
    let state = home.state().await;
    let one = state.add_preview(new_preview("one")).await.unwrap();
    let two = state.add_preview(new_preview("two")).await.unwrap();
    let admin = name("admin-site-one");
    state.set_hosts(one.id, &[one.slug.clone(), admin.clone()]).await.unwrap();
    let error = state.set_hosts(two.id, &[two.slug.clone(), admin.clone()]).await.unwrap_err();
    assert!(matches!(error, StateError::HostTaken { .. }), "{error}");
    // All or none: its own slug is still its own.
    let stolen = NewPreview { slug: Some(two.slug.clone()), ..new_preview("three") };
    assert!(state.add_preview(stolen).await.is_err());

    state.advance_preview(one.id, PreviewPhase::Building, PreviewEvent::DestroyBegan, None).await.unwrap();
    state.advance_preview(one.id, PreviewPhase::Destroying, PreviewEvent::Removed, None).await.unwrap();
    state.set_hosts(two.id, &[two.slug.clone(), admin]).await.unwrap();
    assert_eq!(state.preview_of(one.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_deployed_is_read_back_whole() {
    let home = Home::new();
    let state = home.state().await;
    let closure = closure(&home, &state).await;
    let preview = state.add_preview(new_preview("main")).await.unwrap();
    let berth = NewBerth {
        kind: Kind::Preview,
        preview: Some(preview.id),
        reaches_database: true,
        ..new_berth(preview.slug.as_str(), closure)
    };
    let berth = state.reserve(berth, subnet(NET)).await.unwrap();
    assert!(berth.reaches_database);
    for (from, event) in
        [(PreviewPhase::Building, PreviewEvent::Built), (PreviewPhase::Creating, PreviewEvent::Started)]
    {
        state.advance_preview(preview.id, from, event, None).await.unwrap();
    }
    state.set_has_database(preview.id).await.unwrap();
    let deployed = Deployment {
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        meta: Meta::parse(r#"{"routes":[{"path":"/","port":3000}],"database":"host"}"#).unwrap(),
        inputs: "abc".to_owned(),
        berth: berth.id,
        at: moment(30),
    };
    state.deploy(preview.id, PreviewPhase::SettingUp, PreviewEvent::Answered, &deployed).await.unwrap();
    let expected = PreviewRecord {
        phase: PreviewPhase::Ready,
        commit: Some(deployed.commit.clone()),
        meta: Some(deployed.meta.clone()),
        inputs: Some(deployed.inputs.clone()),
        berth: Some(berth.id),
        has_database: true,
        deployed_at: Some(moment(30)),
        ..preview
    };
    assert_eq!(state.preview_of(expected.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(state.expired_previews(moment(19)).await.unwrap(), []);
    assert_eq!(state.expired_previews(moment(20)).await.unwrap(), [expected]);
}

#[tokio::test]
async fn a_stale_phase_changes_nothing() {
    let home = Home::new();
    let state = home.state().await;
    let preview = state.add_preview(new_preview("main")).await.unwrap();
    let error = state
        .advance_preview(preview.id, PreviewPhase::Ready, PreviewEvent::UpdateBegan, None)
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"`site-main` is building by now and was ready: another command works on it, try again when that is done");
}
