//! Pull requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use berth_core::policy::Pull;
use berth_core::{PullNumber, RepoName};
use hyper::StatusCode;
use hyper::header::{ETAG, HeaderMap, HeaderValue, LINK};

use super::{GitHubApi, PAGES_MAX, PER_PAGE};
use crate::github::GitHubError;
use crate::github::answers::{PullAnswer, RepoAnswer};
use crate::github::http::{Answer, Call, form};

/// How many pages are kept: GitHub does not count an answer that says that
/// nothing has changed.
const KEPT_MAX: usize = 1000;

/// A page of a list, as it was when it had its tag.
#[derive(Clone)]
struct Page {
    etag: Option<HeaderValue>,
    pulls: Vec<Pull>,
    has_next: bool,
}

/// The pages that are kept, by their path.
#[derive(Default)]
pub(super) struct KnownPages(Mutex<HashMap<String, Page>>);

impl KnownPages {
    fn get(&self, path: &str) -> Option<Page> {
        self.0.lock().expect("nothing panics while it holds the pages").get(path).cloned()
    }

    fn put(&self, path: String, page: Page) {
        let mut pages = self.0.lock().expect("nothing panics while it holds the pages");
        if pages.len() >= KEPT_MAX {
            pages.clear();
        }
        pages.insert(path, page);
    }
}

impl GitHubApi {
    pub(super) async fn all_open_pulls(&self, repo: &RepoName) -> Result<Vec<Pull>, GitHubError> {
        let mut pulls = BTreeMap::new();
        for number in 1..=PAGES_MAX {
            let page = self.page_of_pulls(repo, number).await?;
            pulls.extend(page.pulls.into_iter().map(|pull| (pull.number, pull)));
            if !page.has_next {
                return Ok(pulls.into_values().collect());
            }
        }
        Err(form(&format!("the pull requests of `{repo}`"), "the list has no end"))
    }

    async fn page_of_pulls(&self, repo: &RepoName, number: usize) -> Result<Page, GitHubError> {
        let path = format!(
            "/repos/{repo}/pulls?state=open&sort=created&direction=asc&per_page={PER_PAGE}&page={number}"
        );
        let known = self.known_pulls.get(&path);
        let etag = known.as_ref().and_then(|page| page.etag.clone());
        let what = format!("the pull requests of `{repo}`");
        let answer = self.report(repo, Call::get(path.clone(), what.as_str()).unless(etag)).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return known.ok_or_else(|| form(&what, "it has not changed since nothing was known"));
        }
        let page = page(&answer, &what)?;
        self.known_pulls.put(path, page.clone());
        Ok(page)
    }

    pub(super) async fn one_pull(
        &self,
        repo: &RepoName,
        number: PullNumber,
    ) -> Result<Option<Pull>, GitHubError> {
        let what = format!("pull request {number} of `{repo}`");
        let call = Call::get(format!("/repos/{repo}/pulls/{number}"), what.as_str());
        match self.report(repo, call).await {
            Ok(answer) => answer.json::<PullAnswer>()?.pull(&what).map(Some),
            // What is not shown to us is not gone: the repository has to be there.
            Err(GitHubError::NotFound { .. }) => {
                let call = Call::get(format!("/repos/{repo}"), format!("repository `{repo}`"));
                self.report(repo, call).await?.json::<RepoAnswer>().map(|_| None)
            }
            Err(error) => Err(error),
        }
    }
}

fn page(answer: &Answer, what: &str) -> Result<Page, GitHubError> {
    let pulls: Vec<PullAnswer> = answer.json()?;
    Ok(Page {
        etag: answer.headers.get(ETAG).cloned(),
        pulls: pulls.into_iter().map(|pull| pull.pull(what)).collect::<Result<_, _>>()?,
        has_next: has_next(&answer.headers),
    })
}

/// Whether there is another page. Its address is made here, never taken from an
/// answer.
fn has_next(headers: &HeaderMap) -> bool {
    let links = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|value| value.split(',')).any(|link| link.contains(r#"rel="next""#))
}
