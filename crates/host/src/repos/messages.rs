//! Finding what git means in what git says.

use super::{Fetch, RepoError};
use crate::exec::Output;
use crate::printable::printable_line;

/// The most lines of git's that an error shows.
const SHOWN: usize = 3;

/// Why a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    NoReference,
    NoRepository,
    TokenRefused,
    BadObjects,
    Full,
    /// The network, the forge, or what nobody has seen yet: git's words tell.
    Other,
}

/// What each cause looks like, in lower case, the most telling first: a pack
/// that is cut off by a full disk also is "invalid index-pack output".
const SIGNS: [(&str, Cause); 17] = [
    ("no space left on device", Cause::Full),
    ("disk quota exceeded", Cause::Full),
    ("couldn't find remote ref", Cause::NoReference),
    ("authentication failed for", Cause::TokenRefused),
    ("returned error: 401", Cause::TokenRefused),
    ("could not read username", Cause::NoRepository),
    ("could not read password", Cause::NoRepository),
    ("returned error: 403", Cause::NoRepository),
    ("returned error: 404", Cause::NoRepository),
    ("does not appear to be a git repository", Cause::NoRepository),
    ("repository not found", Cause::NoRepository),
    ("fsck error", Cause::BadObjects),
    ("did not receive expected object", Cause::BadObjects),
    ("remote did not send all necessary objects", Cause::BadObjects),
    ("sha1 mismatch", Cause::BadObjects),
    ("packfile claims to have", Cause::BadObjects),
    ("pack has bad object", Cause::BadObjects),
];

/// The error of a fetch that ended with something other than zero.
pub(super) fn fetch_error(fetch: &Fetch, output: &Output) -> RepoError {
    let stderr = output.stderr.text();
    let repo = fetch.repo.clone();
    let forge = fetch.forge.clone();
    match cause(&stderr) {
        Cause::NoReference => RepoError::NoReference { repo, wanted: fetch.wanted.clone() },
        Cause::NoRepository => RepoError::NoRepository { repo, forge, with_token: fetch.token.is_some() },
        Cause::TokenRefused if fetch.token.is_some() => RepoError::TokenRefused { repo, forge },
        Cause::TokenRefused => RepoError::NoRepository { repo, forge, with_token: false },
        Cause::BadObjects => RepoError::BadObjects { repo, said: said(output) },
        Cause::Full => RepoError::Full { repo },
        Cause::Other => RepoError::Forge { repo, forge, said: said(output) },
    }
}

/// Only git's own words count: the forge and the repository say what they like
/// in lines that begin with `remote:`.
fn cause(stderr: &str) -> Cause {
    let said = own_lines(stderr).collect::<Vec<_>>().join("\n").to_lowercase();
    let is_missing = |line: &str| line.starts_with("fatal: repository '") && line.ends_with("not found");
    if said.lines().any(is_missing) {
        return Cause::NoRepository;
    }
    SIGNS.iter().find(|(sign, _)| said.contains(sign)).map_or(Cause::Other, |(_, cause)| *cause)
}

/// The lines that git itself wrote, without its advice.
fn own_lines(stderr: &str) -> impl Iterator<Item = &str> {
    let is_own = |line: &&str| ["fatal: ", "error: "].iter().any(|kind| line.starts_with(kind));
    stderr.lines().filter(is_own)
}

/// What git said, in one line, safe to show; how it ended when it said nothing.
pub(super) fn said(output: &Output) -> String {
    let stderr = output.stderr.text();
    let own: Vec<&str> = own_lines(&stderr).collect();
    let lines = if own.is_empty() {
        output.stderr.last_lines(SHOWN)
    } else {
        let words = own.iter().map(|line| line.split_once(": ").map_or(*line, |(_, words)| words));
        words.take(SHOWN).map(printable_line).collect()
    };
    if lines.is_empty() { format!("git ended with {}", output.exit) } else { lines.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_of_any_age_is_understood() {
        for (stderr, expected) in [
            ("fatal: couldn't find remote ref refs/heads/no\n", Cause::NoReference),
            ("fatal: Couldn't find remote ref refs/heads/no\n", Cause::NoReference),
            ("fatal: repository 'http://h/acme/site.git/' not found\n", Cause::NoRepository),
            (
                "remote: Repository not found.\nfatal: repository 'https://github.com/a/b.git/' not found\n",
                Cause::NoRepository,
            ),
            (
                "fatal: could not read Username for 'https://github.com': terminal prompts disabled\n",
                Cause::NoRepository,
            ),
            (
                "fatal: could not read Username for 'https://github.com': No such device or address\n",
                Cause::NoRepository,
            ),
            (
                "remote: Write access not granted.\nfatal: unable to access 'https://h/a/b.git/': The requested \
                 URL returned error: 403\n",
                Cause::NoRepository,
            ),
            (
                "fatal: '/srv/acme/site.git' does not appear to be a git repository\nfatal: Could not read from \
                 remote repository.\n",
                Cause::NoRepository,
            ),
            (
                "remote: Invalid username or token.\nfatal: Authentication failed for 'https://h/a/b.git/'\n",
                Cause::TokenRefused,
            ),
            (
                "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
                Cause::Full,
            ),
            (
                "error: object 4b82: hasDotgit: contains '.git'\nfatal: fsck error in packed object\n",
                Cause::BadObjects,
            ),
            ("fatal: unable to access 'https://h/a/b.git/': Could not resolve host: h\n", Cause::Other),
            (
                "fatal: unable to access 'http://h/a/b.git/': Failed to connect to h port 80 after 0 ms: Couldn't \
                 connect to server\n",
                Cause::Other,
            ),
            (
                "fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 500\n",
                Cause::Other,
            ),
            ("", Cause::Other),
        ] {
            assert_eq!(cause(stderr), expected, "{stderr}");
        }
    }

    #[test]
    fn what_a_forge_says_is_not_taken_for_git() {
        let stderr = "remote: fatal: couldn't find remote ref refs/heads/x\nremote: No space left on device\n\
                      fatal: the remote end hung up unexpectedly\n";
        assert_eq!(cause(stderr), Cause::Other);
    }
}
