//! Repositories on the test host's forge, and what is committed to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use berth_testhost::TestHost;

/// The base of the URLs of its repositories.
pub(crate) const FORGE: &str = "http://127.0.0.1:8418";

/// Makes the repository `$1` where it is missing, adds the commit on stdin, and
/// prints the hash of the reference `$2`.
const COMMIT: &str = r#"
[ -d "$1" ] || git init -q --bare -b main "$1"
git --git-dir="$1" fast-import --quiet --force && git --git-dir="$1" rev-parse --verify "$2"
"#;

/// The files of a repository by their paths.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<String, File>);

/// What git keeps below one path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum File {
    Regular(Vec<u8>),
    /// A symbolic link with its target, which need not be there.
    Link(Vec<u8>),
}

impl File {
    fn content(&self) -> &[u8] {
        match self {
            Self::Regular(content) | Self::Link(content) => content,
        }
    }

    /// As git writes it in a tree.
    fn mode(&self) -> &'static str {
        match self {
            Self::Regular(_) => "100644",
            Self::Link(_) => "120000",
        }
    }
}

/// The files of the repository `tests/fixtures/NAME`.
///
/// # Panics
/// If they cannot be read.
#[track_caller]
pub fn fixture(name: &str) -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let mut files = Files::default();
    files.read(&folder, &folder);
    assert!(!files.0.is_empty(), "there is no fixture `{name}`");
    files
}

impl Files {
    /// The same with a file added or replaced.
    #[must_use]
    pub fn with(mut self, path: &str, content: &str) -> Self {
        self.0.insert(path.to_owned(), File::Regular(content.into()));
        self
    }

    /// The same with a symbolic link added or replaced.
    #[must_use]
    pub fn with_link(mut self, path: &str, target: &str) -> Self {
        self.0.insert(path.to_owned(), File::Link(target.into()));
        self
    }

    /// The same with a text replaced in a file.
    ///
    /// # Panics
    /// If the file or the text is not there.
    #[must_use]
    #[track_caller]
    pub fn replacing(self, path: &str, from: &str, to: &str) -> Self {
        let content = self.text(path);
        assert!(content.contains(from), "`{path}` has no `{from}`:\n{content}");
        let content = content.replace(from, to);
        self.with(path, &content)
    }

    /// A file's text.
    ///
    /// # Panics
    /// If it is not there.
    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        let file = self.0.get(path).unwrap_or_else(|| panic!("there is no file `{path}`"));
        String::from_utf8_lossy(file.content()).into_owned()
    }

    /// All texts by their paths.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        self.0.keys().map(|path| (path.clone(), self.text(path))).collect()
    }

    fn read(&mut self, root: &Path, folder: &Path) {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            let name = || path.strip_prefix(root).expect("below its root").to_string_lossy().into_owned();
            // A link is one of the repository: what is read here is never what
            // it leads to.
            if path.is_symlink() {
                let target = fs::read_link(&path).expect("a fixture's link");
                self.0.insert(name(), File::Link(target.into_os_string().into_encoded_bytes()));
            } else if path.is_dir() {
                self.read(root, &path);
            } else {
                self.0.insert(name(), File::Regular(fs::read(&path).expect("a fixture's file")));
            }
        }
    }
}

/// The forge of a host.
#[derive(Debug, Clone)]
pub struct Forge(TestHost);

impl Forge {
    /// That of this host.
    pub fn of(host: &TestHost) -> Self {
        Self(host.clone())
    }

    /// A new repository with these files as its branch `main`.
    ///
    /// # Panics
    /// If it cannot be made.
    #[track_caller]
    pub fn repository(&self, name: &str, files: Files) -> Repository {
        let repository = Repository { host: self.0.clone(), name: name.to_owned() };
        self.0.command("rm").args(["-rf", &repository.folder()]).ok();
        repository.write("refs/heads/main", None, "begin", files, true);
        repository
    }

    /// The folder of a repository, on the host. As on GitHub, case does not tell
    /// two apart: Berth asks in lower case.
    fn folder(name: &str) -> String {
        format!("/srv/forge/{}.git", name.to_ascii_lowercase())
    }
}

/// A repository of the forge.
#[derive(Debug, Clone)]
pub struct Repository {
    host: TestHost,
    name: String,
}

impl Repository {
    /// `OWNER/NAME`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes these files on `main` and returns the commit's hash.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        self.commit_to("main", message, files)
    }

    /// Changes these files on a branch, which is made from `main` where it is
    /// missing.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn commit_to(&self, branch: &str, message: &str, files: &[(&str, &str)]) -> String {
        self.change(&format!("refs/heads/{branch}"), message, files)
    }

    /// Changes these files on the head of a pull request.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn commit_to_pull(&self, number: u32, message: &str, files: &[(&str, &str)]) -> String {
        self.change(&format!("refs/pull/{number}/head"), message, files)
    }

    /// Replaces everything on `main`.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn replace(&self, message: &str, files: Files) -> String {
        let head = self.head("refs/heads/main");
        self.write("refs/heads/main", head.as_deref(), message, files, true)
    }

    /// Asks for this password from now on.
    ///
    /// # Panics
    /// If it cannot.
    #[track_caller]
    pub fn make_private(&self, token: &str) {
        self.host.write_file(&format!("{}/token", self.folder()), token, 0o600);
    }

    fn folder(&self) -> String {
        Forge::folder(&self.name)
    }

    #[track_caller]
    fn change(&self, reference: &str, message: &str, files: &[(&str, &str)]) -> String {
        let parent = self.head(reference).or_else(|| self.head("refs/heads/main"));
        let files = files.iter().fold(Files::default(), |all, (path, content)| all.with(path, content));
        self.write(reference, parent.as_deref(), message, files, false)
    }

    fn head(&self, reference: &str) -> Option<String> {
        let git = format!("--git-dir={}", self.folder());
        let found =
            self.host.command("git").args([&git, "rev-parse", "--quiet", "--verify", reference]).run();
        found.is_success().then(|| found.stdout.trim().to_owned())
    }

    #[track_caller]
    fn write(
        &self,
        reference: &str,
        parent: Option<&str>,
        message: &str,
        files: Files,
        is_all: bool,
    ) -> String {
        let mut stream = format!(
            "commit {reference}\ncommitter Ada <ada@example.com> 1795000000 +0000\ndata {}\n{message}\n",
            message.len()
        )
        .into_bytes();
        if let Some(parent) = parent {
            stream.extend(format!("from {parent}\n").bytes());
        }
        if is_all {
            stream.extend(b"deleteall\n");
        }
        for (path, file) in files.0 {
            let (mode, content) = (file.mode(), file.content());
            stream.extend(format!("M {mode} inline {path}\ndata {}\n", content.len()).bytes());
            stream.extend(content);
            stream.push(b'\n');
        }
        let made =
            self.host.command("sh").args(["-ec", COMMIT, "sh", &self.folder(), reference]).stdin(stream).ok();
        made.stdout.trim().to_owned()
    }
}
