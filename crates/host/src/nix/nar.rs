//! The hash of a folder of the host, as Nix has it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use berth_core::NarHash;
use berth_core::closure_key::NarHasher;

/// Hashes a file or folder with all that is below it. Follows no link. Devices
/// and pipes are refused, as Nix refuses them.
pub(super) fn hash(path: &Path) -> io::Result<NarHash> {
    let mut hasher = NarHasher::new();
    node(&mut hasher, path)?;
    Ok(hasher.finish())
}

fn node(hasher: &mut NarHasher, path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let kind = found.file_type();
    if kind.is_dir() {
        folder(hasher, path)
    } else if kind.is_file() {
        hasher.file(&fs::read(path)?, found.permissions().mode() & 0o100 != 0);
        Ok(())
    } else if kind.is_symlink() {
        hasher.link(fs::read_link(path)?.as_os_str().as_bytes());
        Ok(())
    } else {
        let message = format!("`{}` is neither a file nor a folder nor a link", path.display());
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

fn folder(hasher: &mut NarHasher, path: &Path) -> io::Result<()> {
    let mut names: Vec<_> =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    hasher.begin_folder();
    for name in names {
        hasher.begin_entry(name.as_bytes());
        node(hasher, &path.join(&name))?;
        hasher.end_entry();
    }
    hasher.end_folder();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_hash_is_that_of_nix() {
        // `nix hash path` of such a folder.
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).expect("made");
        fs::write(at("a/b/run"), "#!/bin/sh\n").expect("written");
        fs::set_permissions(at("a/b/run"), fs::Permissions::from_mode(0o700)).expect("set");
        fs::write(at("a-b"), "x").expect("written");
        symlink("/nowhere", at("link")).expect("linked");
        assert_eq!(
            hash(folder.path()).expect("hashed").to_string(),
            "sha256-yiVse+/FnVD5YFnWThzuWbStV3KgmYPv/qbuBzabIpE="
        );
    }
}
