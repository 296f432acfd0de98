//! Building Berth's programs and putting them on a test host.

use std::path::PathBuf;

use anyhow::Result;
use berth_testhost::TestHost;

use crate::step;

/// How they are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly, for tests.
    Dev,
    /// As they are shipped, for the demo's and the benchmarks' figures.
    Release,
}

/// The programs of a host, each with its package, and the GitHub of tests.
const PROGRAMS: [(&str, &str); 6] = [
    ("agent", "berth-agent"),
    ("preview", "berth-preview"),
    ("berth-guard", "berth-guard"),
    ("preview-webhook", "berth-webhook"),
    ("berthd", "berth-daemon"),
    ("github-double", "berth-github-double"),
];

/// Builds all of them and returns where they are.
pub(crate) fn build(profile: Profile) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut command = step::cargo(&["build", "--quiet"]);
    for (_, package) in PROGRAMS {
        command.args(["--package", package]);
    }
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            command.arg("--release");
            "release"
        }
    };
    step::run("build the programs", &mut command)?;
    let folder = step::target().join(folder);
    Ok(PROGRAMS.into_iter().map(|(name, _)| (name, folder.join(name))).collect())
}

/// Builds them and puts them on a host.
pub(crate) fn install(host: &TestHost, profile: Profile) -> Result<()> {
    for (name, path) in build(profile)? {
        host.install_binary(&path, name);
    }
    Ok(())
}
