//! Which Nix files there are, and what some of them are spared.

use std::process::Command;

use anyhow::Result;

use crate::step;

/// What a file can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nix can read it.
    Syntax,
    /// It looks as the formatter writes it.
    Format,
    /// Everything in it is used.
    DeadCode,
}

/// Files that are wrong on purpose, with the checks that they are spared.
const SPARED: [(&str, &[Check], &str); 1] = [(
    "tests/fixtures/hostile/bad-syntax/preview-config.nix",
    &[Check::Syntax, Check::Format, Check::DeadCode],
    "a preview of a repository with it must fail",
)];

/// Every Nix file of the checkout, new ones too, that this is asked of. Symbolic
/// links are none: those of `tests/fixtures/hostile` lead out of the checkout.
pub(super) fn files(check: Check) -> Result<Vec<String>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.nix"];
    let listed = step::output(Command::new("git").args(list))?;
    let listed = String::from_utf8(listed.stdout)?;
    let is_file =
        |name: &str| step::checkout().join(name).symlink_metadata().is_ok_and(|found| found.is_file());
    let is_spared =
        |name: &str| SPARED.iter().any(|(one, checks, _)| *one == name && checks.contains(&check));
    Ok(listed.lines().filter(|name| is_file(name) && !is_spared(name)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_on_purpose_is_there_and_is_spared() {
        for (name, checks, reason) in SPARED {
            assert!(step::checkout().join(name).exists(), "{name} is gone: {reason}");
            for check in checks {
                assert!(!files(*check).expect("a list").iter().any(|one| one == name));
            }
        }
    }

    #[test]
    fn links_are_no_files() {
        let all = files(Check::Syntax).expect("a list");
        assert!(all.iter().any(|name| name == "tests/fixtures/static/preview-config.nix"));
        assert!(!all.iter().any(|name| name == "tests/fixtures/hostile/symlink/preview-config.nix"));
    }
}
