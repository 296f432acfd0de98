//! The cgroup that holds one host: its processes die with it, all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait::poll;

/// A group of processes below the machine's cgroup hierarchies.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    name: String,
    mounts: Vec<Mount>,
}

#[derive(Debug, Clone)]
struct Mount {
    path: PathBuf,
    is_unified: bool,
}

impl Cgroup {
    pub(crate) fn named(name: &str) -> Result<Self> {
        let mounts = mounts(&fs::read_to_string("/proc/self/mountinfo")?);
        if !mounts.iter().any(|mount| mount.is_unified) {
            bail!(
                "no cgroup2 hierarchy is mounted on this machine; mount one: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
            );
        }
        Ok(Self { name: name.to_owned(), mounts })
    }

    /// The group's folder in the unified hierarchy.
    pub(crate) fn path(&self) -> PathBuf {
        self.unified_mount().join(&self.name)
    }

    /// The folder of the group that a process is in.
    pub(crate) fn of_process(&self, pid: u32) -> Result<PathBuf> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let line = groups
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .with_context(|| format!("process {pid} is in no group of the unified hierarchy"))?;
        Ok(self.unified_mount().join(line))
    }

    pub(crate) fn create(&self) -> Result<()> {
        let path = self.path();
        fs::create_dir_all(&path).with_context(|| format!("could not make the cgroup `{}`", path.display()))
    }

    /// Kills what is left inside and removes the group; gone is fine.
    pub(crate) fn kill_and_remove(&self) -> Result<()> {
        let path = self.path();
        if path.exists() {
            fs::write(path.join("cgroup.kill"), "1")
                .with_context(|| format!("could not kill the processes in `{}`", path.display()))?;
        }
        let is_gone = poll(Duration::from_mins(1), || {
            self.mounts.iter().all(|mount| remove_tree(&mount.path.join(&self.name)))
        });
        if !is_gone {
            bail!("processes of the test host survive in `{}`", path.display());
        }
        Ok(())
    }

    fn unified_mount(&self) -> &Path {
        let mount = self.mounts.iter().find(|mount| mount.is_unified);
        &mount.expect("checked when the value was made").path
    }
}

/// The unified hierarchy, and the named one of systemd where the machine still
/// has it: nspawn makes a group of the same name there.
fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let path = PathBuf::from(before.split(' ').nth(4)?);
            let mut after = after.split(' ');
            let kind = after.next()?;
            let options = after.nth(1)?;
            match kind {
                "cgroup2" => Some(Mount { path, is_unified: true }),
                "cgroup" if options.split(',').any(|option| option == "name=systemd") => {
                    Some(Mount { path, is_unified: false })
                }
                _ => None,
            }
        })
        .collect()
}

/// Removes a tree of groups bottom up; true if nothing is left.
fn remove_tree(path: &Path) -> bool {
    if let Ok(entries) = fs::read_dir(path) {
        for entry in entries.filter_map(Result::ok) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_tree(&entry.path());
            }
        }
    }
    let _ = fs::remove_dir(path);
    !path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unified_and_named_hierarchies_are_found_in_mountinfo() {
        let mountinfo = "\
30 25 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
39 25 0:35 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
40 25 0:36 / /sys/fs/cgroup/unified rw,relatime shared:3 - cgroup2 cgroup2 rw
";
        let found: Vec<_> =
            mounts(mountinfo).into_iter().map(|mount| (mount.path, mount.is_unified)).collect();
        assert_eq!(
            found,
            [
                (PathBuf::from("/sys/fs/cgroup/systemd"), false),
                (PathBuf::from("/sys/fs/cgroup/unified"), true)
            ]
        );
    }
}
