//! Lanes and deliveries in a real database.

use berth_core::lane::{Answer, End, Granted, NotGranted, Retries, Wish};
use berth_core::policy::{Approval, How, Login};

use super::super::tests::Home;
use super::super::{Asked, KeptAnswer, Meaning, NewDelivery, Taken};
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn repo() -> RepoName {
    "acme/site".parse().unwrap()
}

fn pull(number: u32) -> PullNumber {
    number.try_into().unwrap()
}

fn login() -> Login {
    "grace".parse().unwrap()
}

fn delivery(id: &str, wish: Option<Wish>) -> NewDelivery {
    NewDelivery {
        id: id.parse().unwrap(),
        event: "issue_comment".parse().unwrap(),
        received_at: at(1),
        meaning: Meaning::Look {
            repo: repo(),
            pull: pull(12),
            asked: wish.map(|wish| Asked { by: login(), wish, comment: Some(u64::MAX) }),
        },
    }
}

#[tokio::test]
async fn a_delivery_that_comes_again_changes_nothing() {
    let home = Home::new();
    let state = home.state().await;
    let Taken::New(Some(first)) =
        state.take_delivery(delivery("a-1", Some(Wish::Rebuild)), at(2)).await.unwrap()
    else {
        panic!("it is new")
    };
    assert_eq!((first.lane.generation, first.lane.done), (1, 0));
    let again = state.take_delivery(delivery("a-1", Some(Wish::Rebuild)), at(3)).await.unwrap();
    assert_eq!(again, Taken::Again);
    assert_eq!(state.lane(first.id).await.unwrap().unwrap(), *first);
    let wishes = state.wishes(first.id).await.unwrap();
    assert_eq!(wishes.len(), 1);
    assert_eq!((&wishes[0].by, &wishes[0].wish), (&login(), &Wish::Rebuild));
    assert_eq!(wishes[0].comment, Some(u64::MAX));
    assert_eq!(state.delivery_outcome(&"a-1".parse().unwrap()).await.unwrap().as_deref(), Some("heard"));
}

#[tokio::test]
async fn a_delivery_that_means_nothing_is_accounted_for_and_forgotten_later() {
    let home = Home::new();
    let state = home.state().await;
    let new = NewDelivery { meaning: Meaning::Nothing("a ping".to_owned()), ..delivery("a-2", None) };
    assert_eq!(state.take_delivery(new, at(10)).await.unwrap(), Taken::New(None));
    assert_eq!(state.lanes().await.unwrap(), []);
    let id = "a-2".parse().unwrap();
    assert_eq!(state.delivery_outcome(&id).await.unwrap().as_deref(), Some("a ping"));
    assert_eq!(state.forget_deliveries(at(10)).await.unwrap(), 0);
    assert_eq!(state.forget_deliveries(at(11)).await.unwrap(), 1);
    assert_eq!(state.delivery_outcome(&id).await.unwrap(), None);
}

#[tokio::test]
async fn a_lane_is_read_as_it_was_written() {
    let home = Home::new();
    let state = home.state().await;
    state.take_delivery(delivery("a-3", Some(Wish::Destroy)), at(2)).await.unwrap();
    let record = state.hear(&repo(), pull(12), News::Comparison, at(3)).await.unwrap();
    let commit: CommitSha = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let wishes = state.wishes(record.id).await.unwrap();
    let settled: Vec<Settled> = wishes.iter().map(|wish| Settled { id: wish.id, answer: None }).collect();
    let changed = state
        .change_lane(record.id, &settled, |lane| {
            let approval = Approval { commit: commit.clone(), by: login(), how: How::Comment };
            lane.grant(Granted::Approved(approval), 2);
            lane.grant(Granted::Rebuild, 7);
            lane.suppressed = Some(commit.clone());
            lane.refused = Some(commit.clone());
            lane.end(2, End::Failed { error: "no".to_owned() }, &Retries::default(), at(4), 0.5);
            lane.end(2, End::Unasked { error: "no".to_owned() }, &Retries::default(), at(4), 0.5);
        })
        .await
        .unwrap()
        .unwrap();
    let told = Told {
        comment: Some(u64::MAX),
        deployment: Some(7),
        reported: Some("hash".to_owned()),
        text: Some("queued".to_owned()),
    };
    state.set_told(record.id, &told).await.unwrap();
    let read = state.lane(record.id).await.unwrap().unwrap();
    assert_eq!(read, LaneRecord { told, ..changed });
    assert_eq!(state.wishes(record.id).await.unwrap(), []);
    assert_eq!(state.dirty_lanes().await.unwrap(), [read]);
}

#[tokio::test]
async fn what_was_looked_into_is_kept_until_it_was_told() {
    let home = Home::new();
    let state = home.state().await;
    for (id, wish) in [("a-4", Wish::Rebuild), ("a-5", Wish::Destroy), ("a-6", Wish::Deploy)] {
        state.take_delivery(delivery(id, Some(wish)), at(2)).await.unwrap();
    }
    let lane = state.lanes().await.unwrap()[0].id;
    let wishes = state.wishes(lane).await.unwrap();
    let answers = [None, Some(Answer::Granted), Some(Answer::Refused(NotGranted::Closed))];
    let settled: Vec<Settled> =
        wishes.iter().zip(answers).map(|(wish, answer)| Settled { id: wish.id, answer }).collect();
    state.change_lane(lane, &settled, |_| ()).await.unwrap();
    assert_eq!(state.wishes(lane).await.unwrap(), []);

    let told = |answers: Vec<KeptAnswer>| -> Vec<_> {
        answers.into_iter().map(|kept| (kept.asked.wish, kept.asked.comment, kept.answer)).collect()
    };
    let closed = Answer::Refused(NotGranted::Closed);
    assert_eq!(
        told(state.answers(lane).await.unwrap()),
        [(Wish::Destroy, Some(u64::MAX), Answer::Granted), (Wish::Deploy, Some(u64::MAX), closed.clone())]
    );
    state.forget_wishes(&[wishes[1].id]).await.unwrap();
    state.set_reacted(&[wishes[2].id]).await.unwrap();
    assert_eq!(told(state.answers(lane).await.unwrap()), [(Wish::Deploy, None, closed)]);
    state.take_delivery(delivery("a-6", Some(Wish::Deploy)), at(9)).await.unwrap();
    state.forget_wishes(&[wishes[2].id]).await.unwrap();
    assert_eq!((state.answers(lane).await.unwrap(), state.wishes(lane).await.unwrap()), (vec![], vec![]));
}

#[tokio::test]
async fn a_lane_that_is_gone_is_not_changed() {
    let home = Home::new();
    let state = home.state().await;
    assert_eq!(state.change_lane(LaneId(7), &[], |_| ()).await.unwrap(), None);
}

/// What a reader must be able to count on: it was one and is none any more.
#[tokio::test]
async fn what_is_dealt_with_is_not_dirty_any_more() {
    let home = Home::new();
    let state = home.state().await;
    let record = state.hear(&repo(), pull(1), News::Delivery, at(1)).await.unwrap();
    assert_eq!(state.dirty_lanes().await.unwrap().len(), 1);
    let end = |lane: &mut Lane| lane.end(1, End::Done, &Retries::default(), at(2), 0.5);
    state.change_lane(record.id, &[], end).await.unwrap();
    assert_eq!(state.dirty_lanes().await.unwrap(), []);
}
