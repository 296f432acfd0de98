use proptest::prelude::*;

use super::*;

fn files(files: &[(&str, &str)]) -> NixFiles {
    let mut all = NixFiles::new();
    for (path, content) in files {
        all.insert(*path, content.as_bytes().to_vec()).expect(path);
    }
    all
}

fn key(files: Option<&NixFiles>, settings: &[(&str, &str)]) -> ClosureKey {
    ClosureKey::new(files, &NixFiles::new().nar_hash(), settings)
}

#[test]
fn the_hash_is_that_of_nix() {
    // `nix hash path` of a folder with these files.
    let known =
        files(&[("b.nix", "1\n"), ("preview-config.nix", "{ hello = builtins.readFile ./b.nix; }\n")]);
    assert_eq!(known.nar_hash().to_string(), "sha256-pQE5YJn4FECXrFjVGzz+/aVnBxCAFi0YzKah/tkXeU4=");
    let deep = files(&[("a-b.nix", "x"), ("a/b/c.nix", ""), ("a/d.nix", "12345678"), ("z.nix", "z")]);
    assert_eq!(deep.nar_hash().to_string(), "sha256-5HhKWJ09BMDjNyJj/7SC5s4rPWQHaDoHkLDG4vqh51k=");
}

#[test]
fn a_path_that_could_lead_elsewhere_is_refused() {
    for path in ["", "/", "/etc/shadow", "../x", "a/../b", "a//b", "a/", "./a", "a/.", "a\0b"] {
        let refused = NixFiles::new().insert(path, vec![]);
        assert!(matches!(refused, Err(NixFilesError::Path { .. })), "{path:?}: {refused:?}");
    }
    let long = "a".repeat(256);
    assert!(NixFiles::new().insert(long, vec![]).is_err());
    let mut all = NixFiles::new();
    for path in ["preview-config.nix", "größe/ä b.nix", "..x", ".hidden", "-rf", "a\u{1b}[31m.nix"] {
        all.insert(path, vec![]).expect(path);
    }
    assert!(all.has_preview_config());
    assert!(!files(&[("sub/preview-config.nix", "")]).has_preview_config());
}

#[test]
fn a_file_cannot_be_a_folder_too() {
    let mut all = files(&[("a/b", "")]);
    for path in ["a", "a/b", "a/b/c"] {
        assert!(matches!(all.insert(path, vec![]), Err(NixFilesError::Twice { .. })), "{path}");
    }
    all.insert("a-b", vec![]).expect("another name");
    all.insert("a/bc", vec![]).expect("another name");
}

#[test]
fn too_much_is_refused_with_the_file_that_is_too_much() {
    let mut all = files(&[("a.nix", "x")]);
    let error = all.insert("big.nix", vec![b' '; BYTES_MAX]).expect_err("one byte too much");
    assert_eq!(
        error.to_string(),
        "the `.nix` files of the repository are larger than 8 MiB together, counted up to `big.nix`: \
         a preview takes them all; leave generated ones out"
    );
    for number in 1..FILES_MAX {
        all.insert(format!("{number}.nix"), vec![]).expect("not yet too many");
    }
    assert_eq!(all.insert("more.nix", vec![]), Err(NixFilesError::TooMany));
}

#[test]
fn whatever_enters_the_evaluation_changes_the_key() {
    let one = files(&[("preview-config.nix", "{ }")]);
    let keys = [
        key(Some(&one), &[]),
        key(None, &[]),
        key(Some(&NixFiles::new()), &[]),
        key(Some(&files(&[("preview-config.nix", "{ } ")])), &[]),
        key(Some(&files(&[("preview-config.nix", "{ }"), ("b.nix", "")])), &[]),
        key(Some(&one), &[("a", "b")]),
        key(Some(&one), &[("ab", "")]),
        ClosureKey::new(Some(&one), &one.nar_hash(), &[]),
    ];
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{index}");
    }
    assert_eq!(keys[0], key(Some(&one.clone()), &[]));
}

#[test]
fn a_key_reads_back_from_its_one_form() {
    let shown = key(None, &[]).to_string();
    assert_eq!(shown.parse(), Ok(key(None, &[])));
    assert!(shown.starts_with(&format!("{:016x}", key(None, &[]).lock_number())));
    for text in [shown.to_uppercase(), shown[1..].to_owned(), format!("{shown}0"), "ü".repeat(32)] {
        assert!(text.parse::<ClosureKey>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn two_sets_of_files_with_one_hash_are_one(
        a in prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2})?", "[xy]{0,9}", 0..4),
        b in prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2})?", "[xy]{0,9}", 0..4),
    ) {
        let made = |map: BTreeMap<String, String>| {
            let mut all = NixFiles::new();
            for (path, content) in map {
                let _ = all.insert(path, content.into_bytes());
            }
            all
        };
        let (a, b) = (made(a), made(b));
        prop_assert_eq!(a == b, a.nar_hash() == b.nar_hash());
    }
}
