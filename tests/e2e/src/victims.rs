//! Folders and files of the host that symlinks of a container lead to.

use berth_testhost::TestHost;

use crate::Agent;

const PLANTER: &str = include_str!("plant.py");

/// What is to be compared: everything that a start script, a program of Berth
/// or anybody else could change, the moment of the last change included.
const LOOK: &str = r#"
cd "$1" || exit
find . -printf '%P|%y|%m|%U:%G|%n|%s|%T@|%C@|%l\n' | LC_ALL=C sort
find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
"#;

/// What a symlink leads to on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// A folder with a file in it.
    Folder,
    /// A file.
    File,
    /// Nothing yet: whoever follows the link would make it.
    Nothing,
}

/// A folder of the host with a victim for each planted link, and how it looked
/// when it was made. It ends with the value.
#[derive(Debug)]
pub struct Victims {
    host: TestHost,
    folder: String,
    paths: Vec<String>,
    before: String,
}

impl Victims {
    /// Makes a victim for each path of a container, as different as can be from
    /// what a start script would make of it.
    ///
    /// # Panics
    /// If they cannot be made.
    #[track_caller]
    pub fn new(host: &TestHost, name: &str, plants: &[(&str, Victim)]) -> Self {
        let folder = format!("/srv/victims-{name}");
        host.command("install").args(["-d", "-m", "0751", &folder]).ok();
        for (path, victim) in plants {
            let at = format!("{folder}/{}", path.replace('/', "-"));
            let script = match victim {
                Victim::Folder => {
                    r#"mkdir -m 0751 "$1" && echo host >"$1/file" && chmod 0640 "$1/file" && chown alice:alice "$1""#
                }
                Victim::File => r#"echo host >"$1" && chmod 0640 "$1" && chown alice:alice "$1""#,
                Victim::Nothing => ":",
            };
            host.command("sh").args(["-c", script, "sh", &at]).ok();
        }
        let paths = plants.iter().map(|(path, _)| (*path).to_owned()).collect();
        let mut this = Self { host: host.clone(), folder, paths, before: String::new() };
        this.before = this.look();
        this
    }

    /// Where they are.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Lets the root of a container replace each path by a symlink to its
    /// victim. The container goes on.
    ///
    /// # Panics
    /// If it cannot, or the container does not go on.
    #[track_caller]
    pub fn plant(&self, agent: &Agent) {
        agent
            .command("run")
            .args(["--root", "--", "unshare", "-m", "python3", "-", &self.folder])
            .args(&self.paths)
            .stdin(PLANTER)
            .ok();
        agent.run_as_root("true").ok();
        let root = agent.root();
        for path in &self.paths {
            let link = self.host.command("readlink").arg(format!("{root}/{path}")).ok();
            assert_eq!(
                link.stdout.trim_end(),
                format!("{}/{}", self.folder, path.replace('/', "-")),
                "{path}"
            );
        }
    }

    /// What differs from the beginning, a line each: `-` before, `+` now.
    pub fn changes(&self) -> Vec<String> {
        let now = self.look();
        let (before, now): (Vec<&str>, Vec<&str>) = (self.before.lines().collect(), now.lines().collect());
        let gone = before.iter().filter(|line| !now.contains(line)).map(|line| format!("-{line}"));
        let new = now.iter().filter(|line| !before.contains(line)).map(|line| format!("+{line}"));
        gone.chain(new).collect()
    }

    /// Asserts that nothing of them changed.
    ///
    /// # Panics
    /// If something did.
    #[track_caller]
    pub fn assert_unchanged(&self, after: &str) {
        let changes = self.changes();
        assert!(changes.is_empty(), "{after} changed the host:\n{}", changes.join("\n"));
    }

    #[track_caller]
    fn look(&self) -> String {
        self.host.command("bash").args(["-c", LOOK, "bash", &self.folder]).ok().stdout
    }
}

impl Drop for Victims {
    fn drop(&mut self) {
        if self.host.is_up() {
            self.host.command("rm").args(["-rf", &self.folder]).run();
        }
    }
}
