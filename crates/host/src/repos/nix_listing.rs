//! What git prints of the `.nix` files of a commit.

use berth_core::CommitSha;
use berth_core::closure_key::{BYTES_MAX, FILES_MAX};

use super::RepoError;
use crate::printable::printable_line;

/// How much of the listing is read: enough for as many files as take part, with
/// paths as long as they may be.
pub(super) const LISTING_MAX: usize = FILES_MAX * 1100;
/// How much of the listing of all files is looked through, which takes less
/// than a second: trees that share their parts are small and list for ever.
pub(super) const LOOKED_THROUGH: usize = 64 << 20;
/// The same for the contents, each with a line before it.
pub(super) const CONTENTS_MAX: usize = BYTES_MAX + FILES_MAX * 128;

/// What the scripts print at the end, before git's exit code.
const ENDED: &[u8] = b"ended ";

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Link,
}

/// A path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    /// The object with the content, in hexadecimal digits.
    pub(super) object: String,
    pub(super) path: String,
}

/// Reads what `ls-tree -z` prints: `MODE TYPE OBJECT`, tab, path, NUL.
pub(super) fn entries(listing: &[u8], mirror: i64, commit: &CommitSha) -> Result<Vec<Entry>, RepoError> {
    let listing = listing.strip_suffix(b" .nix\0").and_then(|listing| ended(listing, Some(0)));
    let Some((listing, is_success)) = listing else {
        return Err(RepoError::TooManyFiles { commit: commit.clone(), max: FILES_MAX });
    };
    if !is_success {
        return Err(unknown_form(mirror));
    }
    let records = listing.split(|byte| *byte == 0).filter(|record| !record.is_empty());
    let entries: Vec<Option<Entry>> =
        records.map(|record| entry(record, mirror)).collect::<Result<_, _>>()?;
    let entries: Vec<Entry> = entries.into_iter().flatten().collect();
    if entries.len() > FILES_MAX {
        return Err(RepoError::TooManyFiles { commit: commit.clone(), max: FILES_MAX });
    }
    Ok(entries)
}

/// Splits off how git ended, which comes after this byte or at the beginning:
/// what is before it, and whether all went well. Nothing where the output was
/// cut.
fn ended(printed: &[u8], after: Option<u8>) -> Option<(&[u8], bool)> {
    let digits = printed.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, code) = printed.split_at(printed.len() - digits);
    let rest = rest.strip_suffix(ENDED)?;
    let is_at_its_place = rest.is_empty() || rest.last().copied() == after;
    (digits > 0 && is_at_its_place).then_some((rest, code == b"0"))
}

/// Nothing where the path is neither file nor link, but another repository.
fn entry(record: &[u8], mirror: i64) -> Result<Option<Entry>, RepoError> {
    let tab = record.iter().position(|byte| *byte == b'\t').ok_or_else(|| unknown_form(mirror))?;
    let (head, path) = (&record[..tab], &record[tab + 1..]);
    let head = std::str::from_utf8(head).map_err(|_| unknown_form(mirror))?;
    let fields: Vec<&str> = head.split(' ').collect();
    let [mode, _, object] = fields.as_slice() else { return Err(unknown_form(mirror)) };
    if !object.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(unknown_form(mirror));
    }
    let kind = match *mode {
        "120000" => EntryKind::Link,
        mode if mode.starts_with("100") => EntryKind::File,
        _ => return Ok(None),
    };
    Ok(Some(Entry { kind, object: (*object).to_owned(), path: sane(path)? }))
}

/// The path as text that can be shown. Whether it can be one of a file is for
/// [`NixFiles`](berth_core::NixFiles) to say.
fn sane(path: &[u8]) -> Result<String, RepoError> {
    let text = String::from_utf8_lossy(path);
    let shown = printable_line(&text);
    let is_plain = std::str::from_utf8(path).is_ok() && shown == text && !text.contains('\t');
    if is_plain { Ok(shown) } else { Err(RepoError::BadPath { file: shown }) }
}

/// Reads what `cat-file --batch` prints for each of these entries: `OBJECT blob
/// SIZE`, line feed, content, line feed.
pub(super) fn contents(
    printed: &[u8],
    entries: &[Entry],
    mirror: i64,
    commit: &CommitSha,
) -> Result<Vec<Vec<u8>>, RepoError> {
    let too_large = || RepoError::NixFilesTooLarge { commit: commit.clone(), max: BYTES_MAX >> 20 };
    let (mut rest, is_success) = ended(printed, Some(b'\n')).ok_or_else(too_large)?;
    if !is_success {
        return Err(unknown_form(mirror));
    }
    let mut contents = Vec::with_capacity(entries.len());
    for entry in entries {
        let (content, after) = one_content(rest, &entry.object).ok_or_else(|| unknown_form(mirror))?;
        contents.push(content.to_vec());
        rest = after;
    }
    Ok(contents)
}

/// The first content, and what comes after it.
fn one_content<'a>(printed: &'a [u8], object: &str) -> Option<(&'a [u8], &'a [u8])> {
    let end = printed.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&printed[..end]).ok()?;
    let size: usize = head.strip_prefix(object)?.strip_prefix(" blob ")?.parse().ok()?;
    let (content, rest) = printed[end + 1..].split_at_checked(size)?;
    Some((content, rest.strip_prefix(b"\n")?))
}

fn unknown_form(mirror: i64) -> RepoError {
    RepoError::Read { mirror, said: "git printed what Berth does not know, or ended early".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> CommitSha {
        "c".repeat(40).parse().expect("a commit")
    }

    fn listed(paths: &[(&str, &[u8])]) -> Result<Vec<Entry>, RepoError> {
        let mut listing = Vec::new();
        for (mode, path) in paths {
            listing.extend(format!("{mode} blob {}\t", "a".repeat(40)).bytes());
            listing.extend(*path);
            listing.push(0);
        }
        listing.extend(b"ended 0 .nix\0");
        entries(&listing, 7, &commit())
    }

    #[test]
    fn files_and_links_are_listed_and_other_repositories_are_not() {
        let entries = listed(&[
            ("100644", b"a.nix"),
            ("100755", "größe/'$(id).nix".as_bytes()),
            ("120000", b"b.nix"),
            ("160000", b"submodule.nix"),
        ])
        .expect("a listing");
        let found: Vec<_> = entries.iter().map(|entry| (entry.kind, entry.path.as_str())).collect();
        assert_eq!(
            found,
            [(EntryKind::File, "a.nix"), (EntryKind::File, "größe/'$(id).nix"), (EntryKind::Link, "b.nix")]
        );
    }

    #[test]
    fn paths_that_cannot_be_shown_are_refused_by_name() {
        for path in [&b"a\n.nix"[..], b"\xff.nix", b"a\tb.nix"] {
            assert!(matches!(listed(&[("100644", path)]), Err(RepoError::BadPath { .. })), "{path:?}");
        }
        assert_eq!(
            listed(&[("100644", b"a\x1b[2J.nix")]).expect_err("hostile").to_string(),
            "`a\\u{1b}[2J.nix` is not UTF-8 without control characters, which the paths of Nix files must be"
        );
    }

    #[test]
    fn too_many_files_are_told_apart_from_a_git_that_failed() {
        let many = vec![("100644", &b"a.nix"[..]); FILES_MAX + 1];
        assert!(matches!(listed(&many), Err(RepoError::TooManyFiles { .. })));
        listed(&many[1..]).expect("as many as there may be");
        assert!(listed(&[]).expect("a repository without Nix").is_empty());
        for (cut_off, is_cut) in [("", true), ("100644 blob aa\ta.nix\0", true), ("ended 128 .nix\0", false)]
        {
            let error = entries(cut_off.as_bytes(), 7, &commit()).expect_err(cut_off);
            assert_eq!(matches!(error, RepoError::TooManyFiles { .. }), is_cut, "{error}");
        }
    }

    #[test]
    fn a_file_cannot_pass_for_the_end() {
        let found = listed(&[("100644", b"ended 0 .nix"), ("100644", b"x ended 1 .nix")]).expect("a listing");
        assert_eq!(found.len(), 2);
        let cut = b"100644 blob aa\tx ended 0 .nix\0";
        assert!(matches!(entries(cut, 7, &commit()), Err(RepoError::TooManyFiles { .. })));
    }

    fn printed(contents_of: &[&[u8]]) -> (Vec<u8>, Vec<Entry>) {
        let object = "a".repeat(40);
        let mut text = Vec::new();
        for content in contents_of {
            text.extend(format!("{object} blob {}\n", content.len()).bytes());
            text.extend(*content);
            text.push(b'\n');
        }
        text.extend(b"ended 0");
        let entry = Entry { kind: EntryKind::File, object, path: "a.nix".to_owned() };
        (text, vec![entry; contents_of.len()])
    }

    #[test]
    fn contents_are_taken_by_their_length_whatever_is_in_them() {
        let hostile = format!("{} blob 1\nx\nended 0", "a".repeat(40));
        let (text, entries) = printed(&[b"", hostile.as_bytes(), b"\0\n"]);
        let found = contents(&text, &entries, 7, &commit()).expect("contents");
        assert_eq!(found, [b"".to_vec(), hostile.into_bytes(), b"\0\n".to_vec()]);
    }

    #[test]
    fn contents_that_are_too_large_or_cut_are_told_apart() {
        let (text, entries) = printed(&[b"abc"]);
        assert!(matches!(
            contents(&text[..20], &entries, 7, &commit()),
            Err(RepoError::NixFilesTooLarge { .. })
        ));
        for broken in ["aaaa missing\nended 0", "ended 128"] {
            let error = contents(broken.as_bytes(), &entries, 7, &commit()).expect_err(broken);
            assert!(matches!(error, RepoError::Read { .. }), "{error}");
        }
    }
}
