//! The real repositories.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Bare repositories below one folder.
#[derive(Clone)]
pub(crate) struct Git {
    root: Arc<Path>,
    /// The folder of git's own programs.
    pub(crate) programs: Arc<Path>,
}

impl Git {
    pub(crate) async fn new(root: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&root).with_context(|| format!("make `{}`", root.display()))?;
        let root = root.canonicalize()?;
        let programs = PathBuf::from(run(&root, ["--exec-path"], "").await?.trim());
        Ok(Self { root: root.into(), programs: programs.into() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, repo: &str) -> PathBuf {
        self.root.join(format!("{}.git", repo.to_ascii_lowercase()))
    }

    pub(crate) async fn make(&self, repo: &str) -> Result<()> {
        let path = self.path(repo);
        std::fs::create_dir_all(&path)?;
        run(&path, ["init", "--quiet", "--bare", "--initial-branch=main", "."], "").await?;
        for setting in [["http.receivepack", "true"], ["uploadpack.allowAnySHA1InWant", "true"]] {
            run(&path, ["config", setting[0], setting[1]], "").await?;
        }
        Ok(())
    }

    pub(crate) fn delete(&self, repo: &str) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.path(repo))?)
    }

    /// Copies all branches of a repository to a new one.
    pub(crate) async fn copy(&self, repo: &str, to: &str) -> Result<()> {
        self.make(to).await?;
        let from = self.path(repo);
        let refs = ["fetch", "--quiet", "--no-tags"].map(OsStr::new);
        let arguments = refs.into_iter().chain([from.as_os_str(), OsStr::new("+refs/heads/*:refs/heads/*")]);
        run(&self.path(to), arguments, "").await.map(|_| ())
    }

    /// Commits to a branch; tells the commit.
    pub(crate) async fn commit(
        &self,
        repo: &str,
        branch: &str,
        files: &BTreeMap<String, Option<String>>,
        (message, by): (&str, &str),
    ) -> Result<String> {
        let path = self.path(repo);
        run(&path, ["check-ref-format", "--branch", branch], "").await?;
        let parent = match self.resolve(repo, &format!("refs/heads/{branch}")).await? {
            Some(sha) => Some(sha),
            None => self.resolve(repo, "refs/heads/main").await?,
        };
        let script = script(branch, parent.as_deref(), files, message, by)?;
        let said = run(&path, ["fast-import", "--quiet", "--force", "--date-format=now"], &script).await?;
        Ok(said.trim().to_owned())
    }

    /// The commit of a reference, if it is there.
    pub(crate) async fn resolve(&self, repo: &str, reference: &str) -> Result<Option<String>> {
        let listed =
            run(&self.path(repo), ["for-each-ref", "--format=%(objectname) %(refname)", reference], "")
                .await?;
        let lines = listed.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.filter(|(_, name)| *name == reference).map(|(sha, _)| sha.to_owned()).next())
    }

    /// The commits of all branches.
    pub(crate) async fn branches(&self, repo: &str) -> Result<BTreeMap<String, String>> {
        let format = "--format=%(objectname) %(refname:lstrip=2)";
        let listed = run(&self.path(repo), ["for-each-ref", format, "refs/heads/"], "").await?;
        let lines = listed.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.map(|(sha, name)| (name.to_owned(), sha.to_owned())).collect())
    }

    /// Makes a branch of a repository the head of a pull request to another.
    pub(crate) async fn set_pull(&self, to: &str, number: u32, from: &str, branch: &str) -> Result<String> {
        if from.eq_ignore_ascii_case(to) {
            // The commit is here already: a fetch would take ten times as long.
            let head = self.resolve(to, &format!("refs/heads/{branch}")).await?;
            let head = head.with_context(|| format!("`{from}` has no branch `{branch}`"))?;
            run(&self.path(to), ["update-ref", &format!("refs/pull/{number}/head"), &head], "").await?;
            return Ok(head);
        }
        let source = self.path(from);
        let refs = format!("+refs/heads/{branch}:refs/pull/{number}/head");
        let arguments = ["fetch", "--quiet", "--no-tags"].map(OsStr::new).into_iter();
        run(&self.path(to), arguments.chain([source.as_os_str(), OsStr::new(&refs)]), "").await?;
        let head = self.resolve(to, &format!("refs/pull/{number}/head")).await?;
        head.with_context(|| format!("`{from}` has no branch `{branch}`"))
    }
}

/// What `git fast-import` reads.
fn script(
    branch: &str,
    parent: Option<&str>,
    files: &BTreeMap<String, Option<String>>,
    message: &str,
    by: &str,
) -> Result<String> {
    let mut script = format!("commit refs/heads/{branch}\nmark :1\ncommitter {by} <{by}@example.com> now\n");
    let _ = writeln!(script, "data {}\n{message}", message.len());
    if let Some(parent) = parent {
        let _ = writeln!(script, "from {parent}");
    }
    for (path, content) in files {
        if path.chars().any(|c| c.is_whitespace() || c == '"' || c.is_control()) {
            bail!("`{path}` is no plain path");
        }
        let _ = match content {
            Some(content) => writeln!(script, "M 100644 inline {path}\ndata {}\n{content}", content.len()),
            None => writeln!(script, "D {path}"),
        };
    }
    script.push_str("\nget-mark :1\ndone\n");
    Ok(script)
}

/// Runs git in a folder, without anybody's configuration; tells what it printed.
async fn run<A: AsRef<OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
    input: &str,
) -> Result<String> {
    let mut child = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start git")?;
    let mut stdin = child.stdin.take().context("git has an input")?;
    // It may end without reading all.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("git failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
