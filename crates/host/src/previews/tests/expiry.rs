//! Previews whose time is over.

use berth_core::Name;
use berth_core::lane::{Lane, News, Site, SiteState, Step, step};
use berth_core::policy::Verdict;
use jiff::Timestamp;

use super::super::{destroy, destroy_by_hand, expire, list};
use super::bed::{Bed, by, commit, name, options};
use crate::agents::Destroyed;
use crate::previews::{CreateOptions, Source};
use crate::progress::Silent;
use crate::repos::Wanted;
use crate::state::PreviewRecord;

fn past() -> Timestamp {
    Timestamp::from_second(1_000_000_000).expect("a time")
}

impl Bed {
    /// The preview of pull request 7, whose time is over.
    async fn expired_pull(&self) -> PreviewRecord {
        let pull = "7".parse().expect("a number");
        self.push_to(&Wanted::Pull(pull), 1, "one");
        let source = Source { pull: Some(pull), ..options("main").source };
        let options = CreateOptions { source, ..options("main") };
        let record = self.create_with(options, &super::bed::never()).await.expect("created");
        self.host.state.set_preview_expiry(record.id, Some(past())).await.expect("recorded");
        record
    }

    async fn lane(&self) -> Option<Lane> {
        let (repo, pull) = ("acme/site".parse().expect("a repository"), "7".parse().expect("a number"));
        self.host.state.lane_of(&repo, pull).await.expect("read").map(|record| record.lane)
    }
}

#[tokio::test]
async fn the_preview_of_a_pull_request_stays_away_until_the_next_push_whoever_removed_it() {
    let bed = Bed::new().await;
    let record = bed.expired_pull().await;
    let pull = record.pull.expect("of a pull request");
    bed.host.state.hear(&record.repo, pull, News::Delivery, past()).await.expect("recorded");
    let deploy = Verdict::Deploy { is_trusted: true };
    let site = Site { commit: record.commit, is_trusted: true, state: SiteState::Serves };
    let lane = bed.lane().await.expect("followed");
    assert_eq!(step(&lane, &commit(1), &deploy, Some(&site)), Step::Rest);

    let outcomes = expire(&bed.host, &by(), &Silent).await.expect("listed");
    assert!(outcomes.into_iter().all(|(_, outcome)| outcome.expect("removed") == Destroyed::Removed));
    let lane = bed.lane().await.expect("followed");
    assert_eq!(step(&lane, &commit(1), &deploy, None), Step::Rest, "not with the next comparison");
    assert_eq!(step(&lane, &commit(2), &deploy, None), Step::Create { is_trusted: true });
}

#[tokio::test]
async fn what_a_person_destroys_stays_away_and_what_berthd_destroys_does_not() {
    let bed = Bed::new().await;
    let deploy = Verdict::Deploy { is_trusted: true };
    for is_by_hand in [false, true] {
        let record = bed.expired_pull().await;
        let pull = record.pull.expect("of a pull request");
        bed.host.state.hear(&record.repo, pull, News::Delivery, past()).await.expect("recorded");
        let destroyed = if is_by_hand {
            destroy_by_hand(&bed.host, &record.slug, &by(), &Silent).await
        } else {
            destroy(&bed.host, &record.slug, &by(), &Silent).await
        };
        assert_eq!(destroyed.expect("removed"), Destroyed::Removed);
        let next = step(&bed.lane().await.expect("followed"), &commit(1), &deploy, None);
        assert_eq!(next == Step::Rest, is_by_hand, "{next:?}");
    }
}

#[tokio::test]
async fn the_preview_of_a_pull_request_that_nobody_follows_just_goes() {
    let bed = Bed::new().await;
    bed.expired_pull().await;
    let outcomes = expire(&bed.host, &by(), &Silent).await.expect("listed");
    assert_eq!(outcomes.len(), 1);
    assert_eq!((bed.records().await, bed.lane().await), (vec![], None));
}

#[tokio::test]
async fn what_has_outlived_its_time_goes_and_the_rest_stays() {
    let bed = Bed::new().await;
    bed.push("stays", 1, "one");
    let record = bed.create("main").await.expect("created");
    bed.create("stays").await.expect("created");
    bed.host.state.set_preview_expiry(record.id, Some(past())).await.expect("recorded");
    let outcomes = expire(&bed.host, &by(), &Silent).await.expect("listed");
    let told: Vec<_> =
        outcomes.into_iter().map(|(slug, outcome)| (slug, outcome.expect("removed"))).collect();
    assert_eq!(told, [(name("site-main"), Destroyed::Removed)]);
    let left: Vec<Name> = list(&bed.host).await.expect("listed").into_iter().map(|one| one.slug).collect();
    assert_eq!(left, [name("site-stays")]);
    bed.assert_agree("after an expiry").await;
}
