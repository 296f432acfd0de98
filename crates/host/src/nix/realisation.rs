//! Building a derivation, with an eye on the free space.

use std::fs;
use std::path::Path;
use std::time::Duration;

use berth_core::StorePath;

use super::{BuildBounds, NixError, messages};
use crate::exec::{ExecError, Invocation, Watcher};
use crate::printable::printable_line;

/// How often the free space is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How much later than by the daemon a build is ended by us: the daemon tells
/// which derivation it was.
const LATER: Duration = Duration::from_secs(10);
/// The most that one derivation may say, in bytes.
const LOG_MAX: u64 = 64 << 20;
const STORE: &str = "/nix/store";
/// The longest name of a platform, such as `x86_64-linux`, in bytes.
const SYSTEM_MAX: u64 = 64;
const SIZE: Duration = Duration::from_mins(2);

pub(super) async fn realise(
    derivation: &StorePath,
    root_link: &Path,
    bounds: &BuildBounds,
    log: Watcher<'_>,
) -> Result<StorePath, NixError> {
    let store = Path::new(STORE);
    check_space(store, bounds.free_min)?;
    let safe_log = |line: &str| log(&printable_line(line));
    let build = invocation(derivation, root_link, bounds).run_watched(&safe_log);
    let output = tokio::select! {
        output = build => output,
        full = until_full(store, bounds.free_min) => return Err(full),
    };
    let output = match output {
        Err(ExecError::Deadline { .. }) => return Err(NixError::BuildTime { after: bounds.time }),
        output => output.map_err(NixError::Run)?,
    };
    let installable = derivation.to_string();
    if !output.exit.is_success() {
        return Err(NixError::Build { installable, said: messages::errors(&output.stderr.text()) });
    }
    // What is printed is the link; where it leads, the output.
    let output =
        fs::read_link(root_link).map_err(|source| NixError::Look { path: root_link.to_owned(), source })?;
    let path = output.to_str().and_then(|path| path.parse().ok());
    let path: StorePath = path.ok_or(NixError::NotOne { installable, count: 0 })?;
    match problem(path.as_path()) {
        None => Ok(path),
        Some((file, problem)) => Err(NixError::NoSystem { path, file: file.into(), problem }),
    }
}

/// What keeps the path from being started as a container. nixpkgs' start script
/// reads the file `system` on the host as root, and strangers made it: a link
/// to a device would never end.
fn problem(path: &Path) -> Option<(&'static str, &'static str)> {
    let look = |file: &str| fs::symlink_metadata(path.join(file));
    if look("init").is_err() {
        return Some(("init", "is missing"));
    }
    match look("system") {
        Err(_) => Some(("system", "is missing")),
        Ok(found) if !found.is_file() => Some(("system", "is not a regular file")),
        Ok(found) if found.len() > SYSTEM_MAX => Some(("system", "is longer than the name of a platform")),
        Ok(_) => None,
    }
}

/// `out` only: a system has no other output, and each would get a root of its
/// own. The sandbox is asked for here, as the daemon's setting may be relaxed.
fn invocation(derivation: &StorePath, root_link: &Path, bounds: &BuildBounds) -> Invocation {
    let seconds = |time: Duration| time.as_secs().max(1).to_string();
    Invocation::new("nix-store")
        .args(["--realise", &format!("{derivation}!out"), "--add-root"])
        .arg(root_link)
        .arg("--indirect")
        .args(["--timeout", &seconds(bounds.time), "--max-silent-time", &seconds(bounds.silent_time)])
        .args(["--option", "sandbox", "true", "--option", "sandbox-fallback", "false"])
        .args(["--option", "max-build-log-size", &LOG_MAX.to_string()])
        .env("NIX_REMOTE", "daemon")
        .aim(format!("build {derivation}"))
        .deadline(bounds.time + LATER)
}

/// Ends when the file system has too little free space.
async fn until_full(store: &Path, free_min: u64) -> NixError {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(full) = check_space(store, free_min) {
            return full;
        }
    }
}

fn check_space(store: &Path, free_min: u64) -> Result<(), NixError> {
    let found = rustix::fs::statvfs(store)
        .map_err(|error| NixError::Look { path: store.to_owned(), source: error.into() })?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free < free_min { Err(NixError::NoSpace { store: store.to_owned(), free, free_min }) } else { Ok(()) }
}

/// The plain form is the same in all versions of Nix; the JSON is not.
pub(super) async fn closure_size(path: &StorePath) -> Result<u64, NixError> {
    let call = Invocation::new("nix")
        .args(["--extra-experimental-features", "nix-command"])
        .args(["path-info", "--closure-size", path.as_str()])
        .aim(format!("measure {path}"))
        .deadline(SIZE);
    let output = call.run().await.map_err(NixError::Size)?;
    let said = output.stdout.text();
    size(&said).ok_or_else(|| NixError::SizeForm { path: path.clone(), said: printable_line(&said) })
}

/// A line with the path and the number.
fn size(said: &str) -> Option<u64> {
    let mut words = said.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(_path), Some(size), None) => size.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_size_is_read_from_its_one_form() {
        assert_eq!(size("/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-x\t   34567890\n"), Some(34_567_890));
        for said in ["", "/nix/store/x", "/nix/store/x -1", "/nix/store/x 1 2", "/nix/store/x 3.2M"] {
            assert_eq!(size(said), None, "{said}");
        }
    }

    #[test]
    fn a_build_is_this_call() {
        let derivation = "/nix/store/0q0cwqcprw9q4nwn8a9h8rf4pdhw4hid-x.drv".parse().expect("a path");
        let bounds = BuildBounds {
            time: Duration::from_mins(30),
            silent_time: Duration::from_millis(10),
            free_min: 0,
        };
        let call = invocation(&derivation, Path::new("/var/lib/berth/gcroots/closure-7"), &bounds).call();
        insta::assert_snapshot!(call, @"nix-store --realise '/nix/store/0q0cwqcprw9q4nwn8a9h8rf4pdhw4hid-x.drv!out' --add-root /var/lib/berth/gcroots/closure-7 --indirect --timeout 1800 --max-silent-time 1 --option sandbox true --option sandbox-fallback false --option max-build-log-size 67108864");
    }

    #[test]
    fn what_the_host_would_read_of_a_system_is_looked_at_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        assert_eq!(problem(folder.path()), Some(("init", "is missing")));
        fs::write(at("init"), "").expect("written");
        assert_eq!(problem(folder.path()), Some(("system", "is missing")));
        symlink("/dev/zero", at("system")).expect("linked");
        assert_eq!(problem(folder.path()), Some(("system", "is not a regular file")));
        fs::remove_file(at("system")).expect("removed");
        fs::write(at("system"), "x".repeat(65)).expect("written");
        assert_eq!(problem(folder.path()), Some(("system", "is longer than the name of a platform")));
        fs::write(at("system"), "x86_64-linux").expect("written");
        assert_eq!(problem(folder.path()), None);
    }

    #[test]
    fn a_full_file_system_is_told() {
        check_space(Path::new("/"), 0).expect("nothing must stay free");
        let error = check_space(Path::new("/"), u64::MAX).expect_err("everything must stay free");
        assert!(matches!(error, NixError::NoSpace { .. }), "{error}");
    }
}
