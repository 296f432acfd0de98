//! The Nix code of a commit: contents in their places, links as copies.

use std::collections::BTreeMap;

use berth_core::NixFiles;

use super::RepoError;
use super::nix_listing::{Entry, EntryKind};
use crate::printable::printable_line;

/// How many links are followed from one to the next.
const HOPS: usize = 8;

/// Puts the contents, which are in the order of the entries, in their places.
///
/// A symbolic link that ends in `.nix` and leads to such a file of the same
/// repository becomes a copy of it. One that leads out of the repository is an
/// error. All other links are left out, folders among them: an evaluation that
/// needs one is told by Nix which path is missing.
pub(super) fn resolve(entries: &[Entry], contents: Vec<Vec<u8>>) -> Result<NixFiles, RepoError> {
    let mut contents_of = BTreeMap::new();
    let mut links = BTreeMap::new();
    for (entry, content) in entries.iter().zip(contents) {
        match entry.kind {
            EntryKind::File => {
                contents_of.insert(entry.path.as_str(), content);
            }
            EntryKind::Link => {
                links.insert(entry.path.clone(), destination(&entry.path, &content)?);
            }
        }
    }
    let mut files = NixFiles::new();
    for path in entries.iter().map(|entry| entry.path.as_str()) {
        if let Some(content) = follow(&links, path).and_then(|end| contents_of.get(end)) {
            files.insert(path, content.clone())?;
        }
    }
    Ok(files)
}

/// Where a link leads, from the top of the repository.
fn destination(file: &str, target: &[u8]) -> Result<String, RepoError> {
    let target = String::from_utf8_lossy(target);
    let outside =
        || RepoError::LeavesRepository { file: printable_line(file), target: printable_line(&target) };
    if target.starts_with('/') {
        return Err(outside());
    }
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(outside)?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// The end of a chain of links; nothing where it is endless.
fn follow<'a>(links: &'a BTreeMap<String, String>, path: &'a str) -> Option<&'a str> {
    let mut path = path;
    for _ in 0..HOPS {
        match links.get(path) {
            Some(next) => path = next,
            None => return Some(path),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry((kind, path, content): &(EntryKind, &str, &str)) -> (Entry, Vec<u8>) {
        let entry = Entry { kind: *kind, object: "0".repeat(40), path: (*path).to_owned() };
        (entry, content.as_bytes().to_vec())
    }

    fn files<const N: usize>(known: [(&str, &str); N]) -> NixFiles {
        let mut files = NixFiles::new();
        for (path, content) in known {
            files.insert(path, content.into()).expect(path);
        }
        files
    }

    fn resolve(tree: &[(EntryKind, &str, &str)]) -> Result<NixFiles, RepoError> {
        let (entries, contents): (Vec<_>, Vec<_>) = tree.iter().map(entry).unzip();
        super::resolve(&entries, contents)
    }

    use EntryKind::{File, Link};

    #[test]
    fn a_link_within_the_repository_is_a_copy() {
        let found = resolve(&[
            (File, "preview-config.nix", "{ }"),
            (File, "nix/common.nix", "1"),
            (Link, "nix/deep/again.nix", "../../direct.nix"),
            (Link, "direct.nix", "./nix//common.nix"),
        ])
        .expect("all inside");
        assert_eq!(
            found,
            files([
                ("preview-config.nix", "{ }"),
                ("nix/common.nix", "1"),
                ("nix/deep/again.nix", "1"),
                ("direct.nix", "1"),
            ])
        );
        assert!(found.has_preview_config());
    }

    #[test]
    fn a_link_that_leaves_the_repository_is_refused_by_name() {
        for (target, shown) in [
            ("/etc/shadow", "/etc/shadow"),
            ("../../outside.nix", "../../outside.nix"),
            ("../nix/../../x.nix", "../nix/../../x.nix"),
            ("/a\u{1b}[2J", "/a\\u{1b}[2J"),
        ] {
            let error = resolve(&[(Link, "nix/leak.nix", target)]).expect_err(target);
            assert_eq!(
                error.to_string(),
                format!("`nix/leak.nix` is a symbolic link to `{shown}`, which is outside the repository")
            );
        }
    }

    #[test]
    fn links_to_nothing_to_folders_and_to_themselves_are_left_out() {
        let found = resolve(&[
            (File, "kept.nix", "1"),
            (Link, "missing.nix", "gone.nix"),
            (Link, "folder.nix", "nix"),
            (Link, "top.nix", "."),
            (Link, "round.nix", "about.nix"),
            (Link, "about.nix", "round.nix"),
        ])
        .expect("nothing leaves");
        assert_eq!(found, files([("kept.nix", "1")]));
        assert!(!found.has_preview_config());
    }
}
