//! Single decisions.

use super::*;
use crate::policy::{
    AllowList, Drafts, Hold, How, Labels, Login, Origin, Permission, Policy, Pull, PullState, Refusal,
    Verdict,
};

pub(super) fn commit(number: u32) -> CommitSha {
    format!("{number:040x}").parse().expect("a commit")
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

pub(super) fn login(name: &str) -> Login {
    name.parse().expect("a login")
}

pub(super) fn policy() -> Policy {
    let repositories =
        ["acme/*"].into_iter().map(|text| text.parse().expect("a pattern")).collect::<AllowList>();
    Policy { repositories, drafts: Drafts::Deploy, labels: Labels::default() }
}

pub(super) fn pull(number: u32, head: u32, origin: Origin) -> Pull {
    Pull {
        repo: "acme/site".parse().expect("a repository"),
        number: number.try_into().expect("a number"),
        state: PullState::Open,
        is_merged: false,
        is_draft: false,
        head: commit(head),
        head_branch: Some("fix".parse().expect("a branch")),
        origin,
        base_branch: None,
        labels: Vec::new(),
        author: login("ada"),
    }
}

fn dirty() -> Lane {
    Lane { generation: 1, ..Lane::default() }
}

fn failed(lane: &mut Lane, now: i64) {
    let generation = lane.generation;
    lane.end(generation, End::Failed { error: "no".to_owned() }, &Retries::default(), at(now), 0.5);
}

#[test]
fn what_is_heard_while_a_lane_is_worked_on_leaves_it_dirty() {
    let mut lane = dirty();
    let seen = lane.generation;
    lane.hear(News::Delivery, at(0));
    lane.hear(News::Delivery, at(0));
    lane.end(seen, End::Done, &Retries::default(), at(1), 0.5);
    assert!(lane.is_due(at(1)));
    lane.end(lane.generation, End::Done, &Retries::default(), at(2), 0.5);
    assert!(!lane.is_dirty());
}

#[test]
fn pauses_double_up_to_the_longest_and_then_the_lane_is_dead() {
    let mut lane = dirty();
    let mut pauses = Vec::new();
    while !lane.is_dead {
        failed(&mut lane, 0);
        pauses.push(lane.next_at.expect("a pause").as_second());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    assert!(!lane.is_due(at(1_000_000)));
    let retries = Retries::default();
    assert_eq!(retries.pause(u32::MAX, 0.5), SignedDuration::from_mins(10));
    assert_eq!(retries.pause(2, 0.0).as_millis(), 1500);
    assert_eq!(retries.pause(2, 1.0).as_millis(), 2500);
}

#[test]
fn a_delivery_shortens_a_pause_and_wakes_the_dead_and_a_comparison_does_neither() {
    let mut lane = dirty();
    for _ in 0..8 {
        failed(&mut lane, 0);
    }
    let pause = lane.next_at;
    lane.hear(News::Comparison, at(0));
    assert_eq!(lane.next_at, pause);
    lane.hear(News::Delivery, at(0));
    assert_eq!(lane.next_at, Some(at(10)));
    failed(&mut lane, 0);
    failed(&mut lane, 0);
    lane.hear(News::Comparison, at(0));
    assert!(lane.is_dead);
    lane.hear(News::Delivery, at(0));
    assert!(lane.is_due(at(0)) && lane.attempts == 0);
}

#[test]
fn a_refused_commit_waits_for_the_next_push_or_a_person() {
    let mut lane = dirty();
    let refused = End::Refused { commit: commit(1), error: "no".to_owned() };
    lane.end(1, refused, &Retries::default(), at(0), 0.5);
    lane.hear(News::Comparison, at(0));
    lane.end(2, End::Rested, &Retries::default(), at(0), 0.5);
    let deploy = Verdict::Deploy { is_trusted: true };
    assert_eq!(step(&lane, &commit(1), &deploy, None), Step::Rest);
    assert_eq!(step(&lane, &commit(2), &deploy, None), Step::Create { is_trusted: true });
    let mut retried = lane.clone();
    retried.hear(News::Retry, at(0));
    let mut asked = lane.clone();
    asked.grant(Granted::Deploy, 1);
    for lane in [retried, asked] {
        assert_eq!(step(&lane, &commit(1), &deploy, None), Step::Create { is_trusted: true });
    }
}

#[test]
fn a_removed_preview_stays_away_until_the_next_push_or_wish() {
    let deploy = Verdict::Deploy { is_trusted: true };
    let site = Site { commit: Some(commit(1)), is_trusted: true, state: SiteState::Serves };
    let mut lane = dirty();
    lane.grant(Granted::Destroy(commit(1)), 1);
    assert_eq!(step(&lane, &commit(1), &deploy, Some(&site)), Step::Destroy);
    assert_eq!(step(&lane, &commit(1), &deploy, None), Step::Rest);
    assert_eq!(step(&lane, &commit(2), &deploy, None), Step::Create { is_trusted: true });
    lane.grant(Granted::Deploy, 1);
    assert_eq!(step(&lane, &commit(1), &deploy, None), Step::Create { is_trusted: true });
}

#[test]
fn a_rebuild_is_done_once() {
    let deploy = Verdict::Deploy { is_trusted: true };
    let site = Site { commit: Some(commit(1)), is_trusted: true, state: SiteState::Serves };
    let mut lane = dirty();
    assert_eq!(step(&lane, &commit(1), &deploy, Some(&site)), Step::Rest);
    lane.grant(Granted::Rebuild, 1);
    assert_eq!(step(&lane, &commit(1), &deploy, Some(&site)), Step::Update { is_forced: true });
    failed(&mut lane, 0);
    assert_eq!(step(&lane, &commit(1), &deploy, Some(&site)), Step::Update { is_forced: true });
    lane.end(1, End::Done, &Retries::default(), at(0), 0.5);
    assert_eq!(step(&lane, &commit(1), &deploy, Some(&site)), Step::Rest);
}

#[test]
fn a_rebuild_that_is_asked_for_while_one_goes_on_is_done_too() {
    let mut lane = dirty();
    lane.hear(News::Delivery, at(0));
    lane.grant(Granted::Rebuild, 2);
    lane.end(1, End::Done, &Retries::default(), at(0), 0.5);
    assert_eq!(lane.forced, Some(2));
    lane.end(2, End::Done, &Retries::default(), at(0), 0.5);
    assert_eq!(lane.forced, None);
}

#[test]
fn what_must_wait_has_not_failed() {
    let mut lane = dirty();
    let wait = End::Wait { until: at(60), error: "too many calls".to_owned() };
    lane.end(1, wait, &Retries::default(), at(0), 0.5);
    assert_eq!((lane.attempts, lane.is_due(at(59)), lane.is_due(at(60))), (0, false, true));
}

#[test]
fn what_should_not_be_goes_and_what_is_held_stays_without_secrets() {
    let site = |is_trusted| Site { commit: Some(commit(1)), is_trusted, state: SiteState::Serves };
    let lane = dirty();
    for verdict in [Verdict::Remove, Verdict::Refuse { why: Refusal::Repository }] {
        assert_eq!(step(&lane, &commit(1), &verdict, Some(&site(true))), Step::Destroy);
        assert_eq!(step(&lane, &commit(1), &verdict, None), Step::Rest);
    }
    let hold = Verdict::Hold { why: Hold { commit: commit(2), fork: None } };
    assert_eq!(step(&lane, &commit(2), &hold, Some(&site(false))), Step::Rest);
    assert_eq!(step(&lane, &commit(2), &hold, Some(&site(true))), Step::Destroy);
    let removed = Lane { suppressed: Some(commit(2)), ..lane.clone() };
    assert_eq!(
        step(&removed, &commit(2), &hold, Some(&site(false))),
        Step::Destroy,
        "somebody wants it gone"
    );
    assert_eq!(step(&removed, &commit(2), &hold, None), Step::Rest);
    let stranger = Verdict::Deploy { is_trusted: false };
    assert_eq!(step(&lane, &commit(2), &stranger, Some(&site(true))), Step::Replace);
    assert_eq!(step(&lane, &commit(2), &stranger, Some(&site(false))), Step::Update { is_forced: false });
}

#[test]
fn only_the_newest_approved_commit_is_kept() {
    let mut lane = dirty();
    let approval = |number, how| Approval { commit: commit(number), by: login("grace"), how };
    for granted in [(1, How::Comment), (2, How::Label), (2, How::Comment), (2, How::Comment)] {
        lane.grant(Granted::Approved(approval(granted.0, granted.1)), 1);
    }
    assert_eq!(lane.approvals, [approval(2, How::Label), approval(2, How::Comment)]);
}

#[test]
fn wishes_need_the_right_to_write_and_survive_being_written_down() {
    let pull = pull(1, 1, Origin::DeletedFork);
    let wishes = [
        Wish::Label { label: "preview".to_owned(), head: commit(1) },
        Wish::Approve { named: "000000000000".parse().expect("a prefix") },
        Wish::Deploy,
        Wish::Rebuild,
        Wish::Destroy,
    ];
    for wish in wishes {
        let kept = serde_json::to_string(&wish).expect("JSON");
        assert_eq!(serde_json::from_str::<Wish>(&kept).expect("a wish"), wish);
        let mut labelled = pull.clone();
        labelled.labels.push("Preview".to_owned());
        let approved = [Approval { commit: commit(1), by: login("grace"), how: How::Comment }];
        let ask = |permission| wish.granted(&labelled, &policy(), &approved, &login("eve"), permission);
        assert_eq!(ask(Permission::Triage), Err(NotGranted::Permission), "{kept}");
        ask(Permission::Write).expect("she may write");
    }
}

#[test]
fn what_cannot_be_done_for_anybody_is_not_granted_and_says_why() {
    let fork = pull(1, 1, Origin::DeletedFork);
    let closed = Pull { state: PullState::Closed, ..pull(1, 1, Origin::Branch) };
    let forbidden = Pull { labels: vec!["no-preview".to_owned()], ..pull(1, 1, Origin::Branch) };
    let label = || Wish::Label { label: "preview".to_owned(), head: commit(2) };
    let labelled = |origin| Pull { labels: vec!["preview".to_owned()], ..pull(1, 1, origin) };
    let refusal = Refusal::Label { label: "no-preview".to_owned() };
    for (wish, pull, why) in [
        (Wish::Deploy, &fork, NotGranted::Held { head: commit(1) }),
        (Wish::Rebuild, &fork, NotGranted::Held { head: commit(1) }),
        (Wish::Deploy, &closed, NotGranted::Closed),
        (Wish::Rebuild, &forbidden, NotGranted::NoPreview { why: refusal }),
        (
            Wish::Approve { named: commit(2).as_str().parse().expect("a commit") },
            &fork,
            NotGranted::OtherCommit { head: commit(1) },
        ),
        (label(), &fork, NotGranted::Label),
        (label(), &labelled(Origin::DeletedFork), NotGranted::OtherCommit { head: commit(1) }),
        (label(), &labelled(Origin::Branch), NotGranted::Label),
        (Wish::Malformed { text: "/preview now".to_owned() }, &fork, NotGranted::Malformed),
    ] {
        let granted = wish.granted(pull, &policy(), &[], &login("grace"), Permission::Admin);
        assert_eq!(granted, Err(why.clone()), "{wish:?}");
        let answer = Answer::Refused(why);
        let kept = serde_json::to_string(&answer).expect("JSON");
        assert_eq!(serde_json::from_str::<Answer>(&kept).expect("an answer"), answer, "{kept}");
    }
    assert!(Wish::Destroy.granted(&closed, &policy(), &[], &login("grace"), Permission::Write).is_ok());
}

#[test]
fn a_lane_about_which_github_cannot_be_asked_waits_ever_longer_and_is_never_given_up() {
    let mut lane = dirty();
    let retries = Retries::default();
    let mut pauses = Vec::new();
    for _ in 0..30 {
        lane.end(0, End::Unasked { error: "no".to_owned() }, &retries, at(0), 0.5);
        pauses.push(lane.next_at.expect("a pause").as_second());
    }
    assert_eq!((lane.is_dead, lane.attempts), (false, 0));
    assert_eq!((&pauses[..3], pauses.last()), (&[1, 2, 4][..], Some(&600)));
    lane.hear(News::Delivery, at(0));
    assert_eq!(lane.next_at, Some(at(0) + NEWS_PAUSE));
    failed(&mut lane, 0);
    assert_eq!((lane.attempts, lane.unasked, lane.next_at), (1, 0, Some(at(1))));
}
