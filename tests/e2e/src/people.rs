//! People who do random things to pull requests, the same ones for the same
//! seed.

use berth_github_double::{Command, Random};

use crate::github::{GitHub, MEMBER, PullRequest};

/// With it a pull request gets no preview.
const FORBIDDING: &str = "no-preview";

/// People who work on pull requests of some repositories.
#[derive(Debug)]
pub struct People {
    github: GitHub,
    random: Random,
    pulls: Vec<Known>,
    /// So many are open at most.
    open_max: usize,
    pushes: u32,
    events: usize,
}

/// What people know of a pull request, which may not have been opened yet.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its repository.
    pub repo: String,
    pull: Option<PullRequest>,
    /// The newest commit of its branch.
    pub commit: String,
    /// What that commit serves at `/`.
    pub page: String,
    branch: String,
    stage: Stage,
    is_draft: bool,
    is_forbidden: bool,
    /// Whether somebody asked for the end of its preview.
    is_unwanted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its branch may be there, and no pull request yet.
    Branch,
    Open,
    Closed,
    Merged,
}

impl Known {
    /// Itself.
    ///
    /// # Panics
    /// If it was not opened.
    pub fn pull(&self) -> &PullRequest {
        self.pull.as_ref().expect("it was opened")
    }

    /// Whether it should have a preview.
    pub fn has_preview(&self) -> bool {
        self.is_open() && !self.is_forbidden
    }

    fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }
}

impl People {
    /// Those of this seed. They open so many pull requests to each repository,
    /// and leave at most `open_max` of all open.
    pub fn new(github: &GitHub, repositories: &[&str], each: usize, open_max: usize, seed: u64) -> Self {
        let known = |repo: &&str, index| Known {
            repo: (*repo).to_owned(),
            pull: None,
            commit: String::new(),
            page: String::new(),
            branch: format!("branch-{index}"),
            stage: Stage::Branch,
            is_draft: false,
            is_forbidden: false,
            is_unwanted: false,
        };
        let pulls = (0..each).flat_map(|index| repositories.iter().map(move |repo| known(repo, index)));
        let (pulls, random) = (pulls.collect(), Random::new(seed));
        Self { github: github.clone(), random, pulls, open_max, pushes: 0, events: 0 }
    }

    /// All pull requests that were opened.
    pub fn pulls(&self) -> impl Iterator<Item = &Known> {
        self.pulls.iter().filter(|one| one.pull.is_some())
    }

    /// How many events GitHub has told of what they did.
    pub fn events(&self) -> usize {
        self.events
    }

    /// One of them does something that is possible at this moment.
    ///
    /// # Panics
    /// If GitHub does not let them.
    pub fn act(&mut self) {
        let at = usize::try_from(self.random.below(self.pulls.len() as u64)).expect("an index");
        let has_room = self.pulls.iter().filter(|one| one.is_open()).count() < self.open_max;
        match self.pulls[at].stage {
            Stage::Branch if has_room => {
                self.push(at);
                self.open(at);
            }
            Stage::Branch => {}
            Stage::Open => self.work_on(at),
            Stage::Closed if has_room => self.reopen(at),
            // It does not follow its branch, until it is opened again.
            Stage::Closed | Stage::Merged => self.push(at),
        }
    }

    /// Nobody wants a preview gone any more: what was said before was about
    /// older commits.
    ///
    /// # Panics
    /// If GitHub does not let them push.
    pub fn want_all(&mut self) {
        for at in 0..self.pulls.len() {
            if self.pulls[at].is_open() && self.pulls[at].is_unwanted {
                self.push(at);
                self.pulls[at].is_unwanted = false;
            }
        }
    }

    /// Something about an open pull request; most of it is pushes.
    fn work_on(&mut self, at: usize) {
        let what = self.random.below(100);
        match what {
            0..58 => self.push(at),
            58..65 => self.close(at),
            65..79 => self.turn_draft(at),
            79..85 => self.turn_label(at),
            85..87 => self.comment(at, "/preview rebuild"),
            87..94 => self.comment(at, "/preview"),
            94..95 => {
                self.comment(at, "/preview destroy");
                self.pulls[at].is_unwanted = true;
            }
            _ => self.comment(at, "what a fine page"),
        }
    }

    fn push(&mut self, at: usize) {
        self.pushes += 1;
        let page = format!("push {}\n", self.pushes);
        let one = &mut self.pulls[at];
        one.commit = self.github.push(&one.repo, &one.branch, &[("index.html", &page)]);
        one.page = page;
        self.events += usize::from(one.is_open());
    }

    fn open(&mut self, at: usize) {
        let one = &mut self.pulls[at];
        one.is_draft = self.random.percent(20);
        one.pull = Some(self.github.open_from(&one.repo, None, &one.branch, MEMBER, one.is_draft));
        one.stage = Stage::Open;
        self.events += 1;
    }

    fn reopen(&mut self, at: usize) {
        let one = &mut self.pulls[at];
        one.pull().reopen();
        one.stage = Stage::Open;
        self.events += 1;
    }

    fn close(&mut self, at: usize) {
        let merged = self.random.percent(10);
        let one = &mut self.pulls[at];
        let (repo, number) = (one.repo.clone(), one.pull().number());
        self.github.run(&Command::Close { repo, number, merged });
        one.stage = if merged { Stage::Merged } else { Stage::Closed };
        self.events += 1;
    }

    fn turn_draft(&mut self, at: usize) {
        let one = &mut self.pulls[at];
        one.is_draft = !one.is_draft;
        one.pull().draft(one.is_draft);
        self.events += 1;
    }

    fn turn_label(&mut self, at: usize) {
        let one = &mut self.pulls[at];
        let change = if one.is_forbidden { PullRequest::unlabel } else { PullRequest::label };
        change(one.pull(), FORBIDDING, MEMBER);
        one.is_forbidden = !one.is_forbidden;
        self.events += 1;
    }

    fn comment(&mut self, at: usize, text: &str) {
        self.pulls[at].pull().comment(MEMBER, text);
        self.events += 1;
    }
}
