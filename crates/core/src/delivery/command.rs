//! What people write in comments on pull requests.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::CommitSha;

const WORD: &str = "/preview";
/// The most bytes of a malformed command that are kept.
const SHOWN_MAX: usize = 80;

/// A command in a comment on a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `/preview`: make or update the preview of the current head.
    Preview,
    /// `/preview SHA`: the same, and approve exactly this commit.
    Approve(CommitPrefix),
    /// `/preview rebuild`: build it anew also if nothing changed.
    Rebuild,
    /// `/preview destroy`: remove the preview.
    Destroy,
    /// Begins as a command and is none, or is one of several. The text is
    /// escaped and cut, for an answer.
    Malformed(String),
}

impl Command {
    /// The command in a comment, which stands on a line of its own; all else
    /// in the comment is talk.
    ///
    /// No command are: lines in a block of code, quoted lines, and anything in
    /// a comment that has an HTML comment in it, since what nobody sees must
    /// not act. Berth's own comment has one ([`MARKER`](crate::comment::MARKER)),
    /// so the line to paste that it shows is none.
    pub fn parse(comment: &str) -> Option<Self> {
        if comment.contains("<!--") {
            return None;
        }
        let mut lines = spoken(comment).filter(|line| line.split_whitespace().next().is_some_and(is_word));
        let first = lines.next()?;
        Some(if lines.next().is_none() { Self::of_line(first) } else { malformed(first) })
    }

    fn of_line(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().skip(1).take(2).collect();
        match words[..] {
            [] => Self::Preview,
            ["rebuild"] => Self::Rebuild,
            ["destroy"] => Self::Destroy,
            [commit] => commit.parse().map_or_else(|_| malformed(line), Self::Approve),
            _ => malformed(line),
        }
    }
}

/// Also with a capital letter: telephones begin sentences with one.
fn is_word(word: &str) -> bool {
    word.eq_ignore_ascii_case(WORD)
}

fn malformed(line: &str) -> Command {
    let escaped = line.trim().escape_debug().to_string();
    Command::Malformed(escaped.chars().take(SHOWN_MAX).collect())
}

/// The lines of a comment that are not in a block of code.
fn spoken(comment: &str) -> impl Iterator<Item = &str> {
    let mut fence: Option<&str> = None;
    comment.lines().filter(move |line| {
        let text = line.trim_start();
        let begun = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark));
        let is_spoken = fence.is_none() && begun.is_none() && !is_indented(line);
        fence = match (fence, begun) {
            (None, begun) => begun,
            (Some(open), Some(mark)) if open == mark => None,
            (open, _) => open,
        };
        is_spoken
    })
}

/// Four columns make a block of code.
fn is_indented(line: &str) -> bool {
    line.starts_with("    ") || line.chars().take(4).take_while(|c| c.is_whitespace()).any(|c| c == '\t')
}

/// The beginning of the name of a commit: 12 to 40 hexadecimal digits, kept in
/// lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommitPrefix(String);

/// A text that is no such beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give {} to {} hexadecimal digits of the commit", CommitPrefix::MIN, CommitSha::LENGTH)]
pub struct CommitPrefixError;

impl CommitPrefix {
    /// The fewest digits: too many to find a second commit that has them.
    pub const MIN: usize = 12;

    /// Whether this names that commit.
    pub fn matches(&self, commit: &CommitSha) -> bool {
        commit.as_str().starts_with(&self.0)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CommitPrefix {
    type Err = CommitPrefixError;

    fn from_str(text: &str) -> Result<Self, CommitPrefixError> {
        let is_prefix = (Self::MIN..=CommitSha::LENGTH).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_hexdigit());
        if is_prefix { Ok(Self(text.to_ascii_lowercase())) } else { Err(CommitPrefixError) }
    }
}

impl fmt::Display for CommitPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn approve(digits: &str) -> Command {
        Command::Approve(digits.parse().expect("digits"))
    }

    fn refused(text: &str) -> Command {
        Command::Malformed(text.to_owned())
    }

    #[test]
    fn commands_are_these() {
        for (comment, expected) in [
            ("/preview", Some(Command::Preview)),
            ("  /preview \r\n", Some(Command::Preview)),
            ("/Preview", Some(Command::Preview)),
            ("looks good\n\n/preview rebuild\nthanks", Some(Command::Rebuild)),
            ("/preview\tdestroy", Some(Command::Destroy)),
            ("/preview 0123456789ab", Some(approve("0123456789ab"))),
            ("/preview 0123456789AB", Some(approve("0123456789ab"))),
            (&format!("/preview {SHA}"), Some(approve(SHA))),
            ("", None),
            ("/previews", None),
            ("/preview/rebuild", None),
            ("please /preview this", None),
            ("`/preview`", None),
            ("> /preview", None),
            ("    /preview", None),
            (" \t/preview", None),
            ("```\n/preview\n```", None),
            ("```\n~~~\n/preview\n```", None),
            ("~~~ sh\n/preview destroy\n~~~\n/preview", Some(Command::Preview)),
            ("```\nnever closed\n/preview", None),
            ("<!-- hidden\n/preview\n-->", None),
            ("a normal text <!-- \n--> \n/preview", None),
            ("/preview 0123456789a", Some(refused("/preview 0123456789a"))),
            ("/preview rebuild now", Some(refused("/preview rebuild now"))),
            ("/preview Rebuild", Some(refused("/preview Rebuild"))),
            ("/preview destroy\n/preview", Some(refused("/preview destroy"))),
            ("/preview \u{202e}x", Some(refused("/preview \\u{202e}x"))),
            (&format!("/preview {SHA}0"), Some(refused(&format!("/preview {SHA}0")))),
            (
                &format!("/preview {}", "x".repeat(500)),
                Some(refused(&format!("/preview {}", "x".repeat(71)))),
            ),
        ] {
            assert_eq!(Command::parse(comment), expected, "{comment:?}");
        }
    }

    #[test]
    fn the_comment_of_berthd_commands_nothing() {
        assert_eq!(
            Command::parse(&format!("{}\nTo approve, write:\n/preview {SHA}\n", crate::comment::MARKER)),
            None
        );
    }

    #[test]
    fn a_prefix_names_only_commits_that_begin_with_it() {
        let commit: CommitSha = SHA.parse().expect("a commit");
        let matches = |digits: &str| digits.parse::<CommitPrefix>().expect("digits").matches(&commit);
        assert!(matches("0123456789AB") && matches(SHA));
        assert!(!matches("0123456789ac") && !matches("123456789abc"));
    }
}
