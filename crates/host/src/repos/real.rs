//! Git as the user of its own.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use berth_core::{BranchName, CommitSha, Layout, NixFiles, PreviewId};

use super::nix_listing::{self, CONTENTS_MAX, LISTING_MAX, LOOKED_THROUGH};
use super::{Fetch, FetchLimits, RepoError, Repos, USER, messages, nix_files};
use crate::confined::{Confined, Network};
use crate::exec::{Exit, Invocation, Output, Stdin, Watcher};
use crate::lock::{LockName, Locks};
use crate::printable::printable_line;

/// How long git may work on what lies on the host already.
const LOCAL: Duration = Duration::from_mins(1);
/// The memory of every git. Its mappings are configured to be small.
const MEMORY: &str = "2G";
/// What git may write where nothing comes from outside.
const LOCAL_FILE_MAX: u64 = 64 << 20;

/// A script of fixed text; what differs is given as arguments.
macro_rules! script {
    ($name:literal) => {
        concat!(include_str!("scripts/git.sh"), include_str!(concat!("scripts/", $name, ".sh")))
    };
}
pub(super) const FETCH: &str = script!("fetch");
const PUBLISH: &str = script!("publish");
const REMOVE: &str = script!("remove");
const LIST: &str = script!("list");
const CONTENTS: &str = script!("contents");
const HAS: &str = script!("has");

/// What the scripts end with where git's own code would not tell enough.
mod ends {
    use crate::exec::Exit;

    pub(super) const BUSY: Exit = Exit::Code(81);
    pub(super) const NO_COMMIT: Exit = Exit::Code(82);
    pub(super) const ELSEWHERE: Exit = Exit::Code(83);
    pub(super) const NOT_FETCHED: Exit = Exit::Code(84);
    pub(super) const TOO_LARGE: Exit = Exit::Code(85);
    pub(super) const NO_REFERENCE: Exit = Exit::Code(86);
}

/// The repositories of a real host.
pub struct GitRepos {
    layout: Layout,
    locks: Locks,
}

impl GitRepos {
    /// Those of this host.
    pub fn new(layout: &Layout) -> Self {
        Self { layout: layout.clone(), locks: Locks::new(layout) }
    }

    fn fetch_run(&self, fetch: &Fetch, limits: FetchLimits) -> Confined {
        let arguments = self.fetch_arguments(fetch, limits);
        let run = run(format!("fetch `{}`", fetch.repo), FETCH, arguments, limits.deadline)
            .network(Network::Host)
            .file_max(limits.largest.bytes())
            .writable(self.layout.mirrors_dir());
        match &fetch.token {
            Some(token) => run.stdin(Stdin::Bytes(token.line())),
            None => run,
        }
    }

    pub(super) fn fetch_arguments(&self, fetch: &Fetch, limits: FetchLimits) -> [OsString; 8] {
        let commit = fetch.commit.as_ref().map(|commit| commit.as_str().to_owned());
        let has_token = if fetch.token.is_some() { "token" } else { "" };
        [
            self.layout.mirror(fetch.mirror).into(),
            format!("{}/{}.git", fetch.forge.as_str(), fetch.repo).into(),
            fetch.forge.as_str().into(),
            fetch.wanted.full_ref().into(),
            commit.unwrap_or_default().into(),
            fetch.preview.map(kept_name).unwrap_or_default().into(),
            limits.largest.bytes().to_string().into(),
            has_token.into(),
        ]
    }

    async fn listing(&self, mirror: i64, commit: &CommitSha) -> Result<Vec<nix_listing::Entry>, RepoError> {
        let arguments: [OsString; 4] = [
            self.layout.mirror(mirror).into(),
            commit.as_str().into(),
            LISTING_MAX.to_string().into(),
            LOOKED_THROUGH.to_string().into(),
        ];
        let output =
            run("list the Nix files of a commit", LIST, arguments, LOCAL).keep(LISTING_MAX).run().await?;
        let output = read(output, mirror, commit)?;
        nix_listing::entries(&output.stdout.bytes, mirror, commit)
    }

    /// The folders of git's user: closed to all others, as what lies in them is
    /// private code. Made by root in a folder of root's.
    async fn make_folders(&self) -> Result<(), RepoError> {
        for folder in [self.layout.mirrors_dir(), self.layout.sources_dir()] {
            if !folder.is_dir() {
                let made = make_folder(&folder).run().await;
                made.map_err(RepoError::MakeFolder)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Repos for GitRepos {
    async fn fetch(
        &self,
        fetch: &Fetch,
        limits: FetchLimits,
        log: Watcher<'_>,
    ) -> Result<CommitSha, RepoError> {
        self.make_folders().await?;
        let action = format!("fetch {}", fetch.repo);
        let _lock = self.locks.lock(LockName::Mirror(fetch.mirror), &action, limits.deadline).await?;
        let safe_log = |line: &str| log(&printable_line(&without_token(fetch, line)));
        let run = self.fetch_run(fetch, limits);
        let output = run.run_watched(&safe_log).await?;
        fetched(fetch, limits, output)
    }

    async fn has_commit(&self, mirror: i64, commit: &CommitSha) -> Result<bool, RepoError> {
        let arguments: [OsString; 2] = [self.layout.mirror(mirror).into(), commit.as_str().into()];
        let run = run("look for a commit in a mirror", HAS, arguments, LOCAL);
        let output = run.run().await?;
        match output.exit {
            Exit::Code(0) => Ok(true),
            ends::NOT_FETCHED => Ok(false),
            Exit::Code(_) | Exit::Signal(_) => Err(RepoError::Read { mirror, said: messages::said(&output) }),
        }
    }

    async fn nix_files(&self, mirror: i64, commit: &CommitSha) -> Result<NixFiles, RepoError> {
        let entries = self.listing(mirror, commit).await?;
        if entries.is_empty() {
            return Ok(NixFiles::default());
        }
        let objects: String = entries.iter().map(|entry| format!("{}\n", entry.object)).collect();
        let arguments: [OsString; 2] = [self.layout.mirror(mirror).into(), CONTENTS_MAX.to_string().into()];
        let output = run("read the Nix files of a commit", CONTENTS, arguments, LOCAL)
            .stdin(Stdin::Bytes(objects.into_bytes()))
            .keep(CONTENTS_MAX)
            .run()
            .await?;
        let output = read(output, mirror, commit)?;
        let contents = nix_listing::contents(&output.stdout.bytes, &entries, mirror, commit)?;
        nix_files::resolve(&entries, contents)
    }

    async fn publish(
        &self,
        preview: PreviewId,
        mirror: i64,
        branch: &BranchName,
        commit: &CommitSha,
    ) -> Result<(), RepoError> {
        self.make_folders().await?;
        let arguments: [OsString; 5] = [
            self.layout.source(preview).into(),
            self.layout.mirror(mirror).into(),
            branch.full_ref().into(),
            commit.as_str().into(),
            kept_name(preview).into(),
        ];
        let run = run(format!("write the repository of preview {preview}"), PUBLISH, arguments, LOCAL)
            .file_max(LOCAL_FILE_MAX)
            .writable(self.layout.sources_dir())
            .writable(self.layout.mirrors_dir());
        let output = run.run().await?;
        match output.exit {
            Exit::Code(0) => Ok(()),
            ends::NOT_FETCHED => Err(RepoError::NotFetched { mirror, commit: commit.clone() }),
            Exit::Code(_) | Exit::Signal(_) => {
                Err(RepoError::Publish { preview, said: messages::said(&output) })
            }
        }
    }

    async fn remove(&self, preview: PreviewId) -> Result<(), RepoError> {
        if !self.layout.mirrors_dir().exists() && !self.layout.sources_dir().exists() {
            return Ok(());
        }
        self.make_folders().await?;
        let arguments: [OsString; 3] =
            [self.layout.source(preview).into(), self.layout.mirrors_dir().into(), kept_name(preview).into()];
        let run = run(format!("remove the repository of preview {preview}"), REMOVE, arguments, LOCAL)
            .file_max(LOCAL_FILE_MAX)
            .writable(self.layout.sources_dir())
            .writable(self.layout.mirrors_dir());
        let output = run.run().await?;
        if output.exit.is_success() {
            return Ok(());
        }
        Err(RepoError::Remove { preview, said: messages::said(&output) })
    }

    fn list(&self) -> Result<BTreeSet<PreviewId>, RepoError> {
        list_sources(&self.layout.sources_dir())
    }
}

/// The previews with a repository in this folder, which root lists without
/// looking into what is in it.
pub(super) fn list_sources(folder: &Path) -> Result<BTreeSet<PreviewId>, RepoError> {
    let told = |source| RepoError::List { folder: folder.to_path_buf(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(told)?,
    };
    let names: Vec<OsString> =
        entries.map(|entry| entry.map(|found| found.file_name())).collect::<Result<_, _>>().map_err(told)?;
    let preview = |name: &OsString| {
        let name = name.to_str()?;
        PreviewId::from_source_repository(name.strip_suffix(".new").unwrap_or(name)).ok()
    };
    Ok(names.iter().filter_map(preview).collect())
}

fn make_folder(folder: &Path) -> Invocation {
    Invocation::new("install")
        .args(["--directory", "--mode=0700", "--owner", USER, "--"])
        .arg(folder)
        .aim(format!("make `{}`", folder.display()))
}

/// A script as git's user, with this aim and these arguments.
fn run(
    aim: impl Into<String>,
    script: &'static str,
    arguments: impl IntoIterator<Item = OsString>,
    deadline: Duration,
) -> Confined {
    let memory = MEMORY.parse().expect("an amount of memory");
    // The word after the script is what the shell calls it in its messages.
    let shell = ["sh", "-c", script, "git"].map(OsString::from);
    Confined::new(USER, aim, deadline, memory).args(shell.into_iter().chain(arguments))
}

/// What a preview keeps in a mirror is below this part of a reference.
fn kept_name(preview: PreviewId) -> String {
    format!("d{preview}")
}

/// What was said, without the token. Git does not tell it; the forge that gets
/// it could.
pub(super) fn without_token(fetch: &Fetch, text: &str) -> String {
    fetch.token.as_ref().map_or_else(|| text.to_owned(), |token| token.hidden_in(text))
}

pub(super) fn fetched(
    fetch: &Fetch,
    limits: FetchLimits,
    mut output: Output,
) -> Result<CommitSha, RepoError> {
    output.stderr.bytes = without_token(fetch, &output.stderr.text()).into_bytes();
    let (repo, wanted) = (fetch.repo.clone(), fetch.wanted.clone());
    match (output.exit, &fetch.commit) {
        (Exit::Code(0), _) => {
            let unknown = |_| RepoError::Read {
                mirror: fetch.mirror,
                said: "git tells the commit in a form that Berth does not know".to_owned(),
            };
            output.stdout.text().trim_end().parse().map_err(unknown)
        }
        (ends::BUSY, _) => Err(RepoError::Busy { repo }),
        (ends::NO_REFERENCE, _) => Err(RepoError::NoReference { repo, wanted }),
        (ends::NO_COMMIT, _) => Err(RepoError::NoCommit { repo, wanted }),
        (ends::TOO_LARGE, _) => Err(RepoError::TooLarge { repo, largest: limits.largest }),
        (ends::ELSEWHERE, Some(commit)) => Err(RepoError::Elsewhere { repo, wanted, commit: commit.clone() }),
        (Exit::Code(_) | Exit::Signal(_), _) => Err(messages::fetch_error(fetch, &output)),
    }
}

/// The output of a script that reads a commit.
fn read(output: Output, mirror: i64, commit: &CommitSha) -> Result<Output, RepoError> {
    match output.exit {
        Exit::Code(0) => Ok(output),
        ends::NOT_FETCHED => Err(RepoError::NotFetched { mirror, commit: commit.clone() }),
        Exit::Code(_) | Exit::Signal(_) => Err(RepoError::Read { mirror, said: messages::said(&output) }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;
    use crate::exec::Captured;
    use crate::repos::{Token, Wanted};

    #[test]
    fn a_fetch_names_what_it_wants_in_arguments_and_the_token_in_none() {
        let fetch = Fetch {
            mirror: 7,
            repo: "acme/site".parse().expect("a repository"),
            forge: "https://github.com".parse().expect("a forge"),
            token: Some(Token::new(&Zeroizing::new(b"poison-token".to_vec())).expect("a token")),
            preview: Some(PreviewId::new(42)),
            wanted: Wanted::Branch("-it's/$(id)".parse().expect("a branch")),
            commit: Some("c".repeat(40).parse().expect("a commit")),
        };
        let limits = FetchLimits {
            deadline: Duration::from_mins(10),
            largest: "2G".parse().expect("an amount of memory"),
        };
        let repos = GitRepos::new(&Layout::host());
        let arguments = repos.fetch_arguments(&fetch, limits).map(|one| one.to_string_lossy().into_owned());
        insta::assert_snapshot!(arguments.join("\n"), @r"
        /var/lib/berth/mirrors/7.git
        https://github.com/acme/site.git
        https://github.com
        refs/heads/-it's/$(id)
        cccccccccccccccccccccccccccccccccccccccc
        d42
        2147483648
        token
        ");
        assert!(!format!("{:?}", repos.fetch_run(&fetch, limits)).contains("poison"));

        // Also where the forge repeats it.
        let stderr = b"fatal: unable to access 'https://x:poison-token@h/': it is broken\n".to_vec();
        let output = Output {
            call: Arc::new(Invocation::new("git").call()),
            exit: Exit::Code(128),
            stdout: Captured::default(),
            stderr: Captured { bytes: stderr, cut: 0 },
        };
        let error = fetched(&fetch, limits, output).expect_err("it failed");
        insta::assert_snapshot!(error, @"could not fetch `acme/site` from `https://github.com`: unable to access 'https://x:[token]@h/': it is broken");
        assert!(!format!("{error:?}").contains("poison"));
    }

    #[test]
    fn half_made_repositories_are_listed_too_and_other_files_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = || list_sources(&folder.path().join("sources")).expect("a list");
        assert!(list().is_empty(), "no folder");
        for name in ["d3.git", "d4.git.new", "d05.git", "7.git", "d6"] {
            fs::create_dir_all(folder.path().join("sources").join(name)).expect("made");
        }
        assert_eq!(list(), BTreeSet::from([PreviewId::new(3), PreviewId::new(4)]));
    }
}
