//! Comparing all open pull requests with all previews, so that a lost delivery
//! is only late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use berth_core::lane::{News, Step, step};
use berth_core::policy::{Pull, decide};
use berth_core::{PullNumber, RepoName};
use berth_host::github::GitHubError;
use berth_host::state::{LaneRecord, State, StateError};
use thiserror::Error;

use crate::chain;
use crate::lanes::Lanes;
use crate::report::{Resting, is_over};

/// Why the comparison could not be made. GitHub's errors about one repository
/// are told in the log and keep no other one.
#[derive(Debug, Error)]
pub enum CompareError {
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// GitHub, for everything.
    #[error(transparent)]
    GitHub(#[from] GitHubError),
}

type Place = (RepoName, PullNumber);

/// Makes every lane dirty that is not as it should be, and tells how many
/// those are.
///
/// `previews` are the pull requests that have previews. Those that are not
/// among the open ones are looked at one by one, and so are those of a
/// repository whose list cannot be had: what is wrong is then told in their
/// lanes, and nothing is removed for it.
pub async fn compare(lanes: &Arc<Lanes>, previews: &BTreeSet<Place>) -> Result<usize, CompareError> {
    let state = &lanes.parts().state;
    let records = state.lanes().await?;
    let known: BTreeMap<Place, LaneRecord> =
        records.into_iter().map(|record| ((record.repo.clone(), record.pull), record)).collect();
    let mut heard = 0;
    for repo in repositories(lanes, previews).await? {
        let pulls = match lanes.parts().github.open_pulls(&repo).await {
            Ok(pulls) => pulls,
            Err(error @ GitHubError::RateLimited { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%repo, error = chain(&error), "its pull requests cannot be compared");
                if !error.is_temporary() {
                    heard += look_at_each(lanes, &repo, previews, &known).await?;
                }
                continue;
            }
        };
        let open: BTreeSet<PullNumber> = pulls.iter().map(|pull| pull.number).collect();
        for pull in &pulls {
            let record = known.get(&(repo.clone(), pull.number));
            if let Some(news) = news_of(lanes, pull, record).await? {
                heard += hear(lanes, state, &repo, pull.number, news).await?;
            }
        }
        let of_repo = previews.iter().filter(|(other, _)| *other == repo);
        let also = known.values().filter(|record| record.repo == repo && is_unsettled(record));
        let closed: BTreeSet<PullNumber> =
            of_repo.map(|(_, pull)| *pull).chain(also.map(|record| record.pull)).collect();
        for pull in closed.difference(&open) {
            // A dead lane keeps what should go: that is worth another attempt.
            let is_dead = known.get(&(repo.clone(), *pull)).is_some_and(|record| record.lane.is_dead);
            let news = if is_dead { News::Delivery } else { News::Comparison };
            heard += hear(lanes, state, &repo, *pull, news).await?;
        }
    }
    Ok(heard + forsaken(lanes, previews, &known).await?)
}

/// Makes the lanes of all previews of a repository dirty.
async fn look_at_each(
    lanes: &Lanes,
    repo: &RepoName,
    previews: &BTreeSet<Place>,
    known: &BTreeMap<Place, LaneRecord>,
) -> Result<usize, StateError> {
    let mut heard = 0;
    for place in previews.iter().filter(|(other, _)| other == repo) {
        if !known.get(place).is_some_and(|record| record.lane.is_dirty()) {
            heard += hear(lanes, &lanes.parts().state, repo, place.1, News::Comparison).await?;
        }
    }
    Ok(heard)
}

/// Makes the lanes dirty whose repository gets no previews any more, and that
/// still have one or were not told so. A preview that a person made, of a pull
/// request that berthd never followed, has no lane and is left alone.
async fn forsaken(
    lanes: &Lanes,
    previews: &BTreeSet<Place>,
    known: &BTreeMap<Place, LaneRecord>,
) -> Result<usize, StateError> {
    let repositories = &lanes.parts().policy.repositories;
    let mut heard = 0;
    for (place, record) in known.iter().filter(|((repo, _), _)| !repositories.allows(repo)) {
        let is_untold = record.told.comment.is_some() && !is_over(&record.told);
        let is_waiting = record.lane.is_dirty() && !record.lane.is_dead;
        if (previews.contains(place) || is_untold) && !is_waiting {
            let news = if record.lane.is_dead { News::Delivery } else { News::Comparison };
            heard += hear(lanes, &lanes.parts().state, &place.0, place.1, news).await?;
        }
    }
    Ok(heard)
}

/// A closed pull request of which GitHub was told something else last.
fn is_unsettled(record: &LaneRecord) -> bool {
    !record.lane.is_dirty() && record.told.comment.is_some() && !is_over(&record.told)
}

async fn hear(
    lanes: &Lanes,
    state: &State,
    repo: &RepoName,
    pull: PullNumber,
    news: News,
) -> Result<usize, StateError> {
    let record = state.hear(repo, pull, news, (lanes.parts().now)()).await?;
    tracing::info!(%repo, %pull, "the preview is not as it should be, or was not told of");
    lanes.heard(record.id);
    Ok(1)
}

/// What is new about an open pull request, if its lane is to be worked on.
async fn news_of(
    lanes: &Lanes,
    pull: &Pull,
    record: Option<&LaneRecord>,
) -> Result<Option<News>, StateError> {
    let parts = lanes.parts();
    if record.is_some_and(|record| record.lane.is_dirty()) {
        return Ok(None);
    }
    let found = parts.deployer.find(&pull.repo, pull.number).await?;
    let (lane, told) = record.map(|record| (record.lane.clone(), record.told.clone())).unwrap_or_default();
    let verdict = decide(pull, &parts.policy, &lane.approvals);
    let next = step(&lane, &pull.head, &verdict, found.as_ref().map(|found| &found.site));
    let resting = Resting { head: &pull.head, verdict: &verdict, lane: &lane, found: found.as_ref() };
    let is_told = resting.untold(&told, (parts.now)()).is_none();
    Ok((next != Step::Rest || !is_told).then_some(News::Comparison))
}

/// Every repository that gets previews: those named, those of the named
/// accounts that Berth can see, and those that have some and are not seen.
async fn repositories(lanes: &Lanes, previews: &BTreeSet<Place>) -> Result<BTreeSet<RepoName>, GitHubError> {
    let parts = lanes.parts();
    let list = &parts.policy.repositories;
    let mut all: BTreeSet<RepoName> = list.repositories().into_iter().cloned().collect();
    all.extend(previews.iter().map(|(repo, _)| repo).filter(|repo| list.allows(repo)).cloned());
    for owner in list.owners() {
        match parts.github.repositories(owner).await {
            Ok(repositories) => all.extend(repositories),
            Err(error @ GitHubError::RateLimited { .. }) => return Err(error),
            Err(error) => tracing::warn!(%owner, error = chain(&error), "its repositories cannot be listed"),
        }
    }
    Ok(all)
}
