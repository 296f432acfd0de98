//! Kernel settings without which containers stop working at some number.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;

const CHECK: &str = "sysctl";

/// A setting, the least value, and what happens below it.
struct Least {
    name: &'static str,
    value: u64,
    below: &'static str,
}

const SETTINGS: [Least; 6] = [
    Least { name: "net.ipv4.ip_forward", value: 1, below: "containers reach nothing beyond the host" },
    Least {
        name: "fs.inotify.max_user_instances",
        value: 1024,
        below: "about 20 containers use the default up",
    },
    Least {
        name: "fs.inotify.max_user_watches",
        value: 524_288,
        below: "editors and dev servers inside run out of watches",
    },
    Least { name: "kernel.pid_max", value: 131_072, below: "a few hundred containers use all process ids" },
    Least {
        name: "net.ipv4.neigh.default.gc_thresh3",
        value: 4096,
        below: "the neighbour table overflows at about 1000 containers",
    },
    Least { name: "fs.file-max", value: 1_048_576, below: "containers share the host's limit of open files" },
];

pub(super) fn check() -> Vec<Finding> {
    check_below(Path::new("/proc/sys"))
}

fn check_below(root: &Path) -> Vec<Finding> {
    let mut findings: Vec<Finding> = SETTINGS.iter().filter_map(|least| judge(root, least)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("all {} kernel settings are large enough", SETTINGS.len())));
    }
    findings
}

fn judge(root: &Path, least: &Least) -> Option<Finding> {
    let path: PathBuf = root.join(least.name.replace('.', "/"));
    let found: Option<u64> = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    match found {
        Some(value) if value >= least.value => None,
        Some(value) => {
            let message = format!("`{}` is {value}: {}", least.name, least.below);
            Some(Finding::warning(CHECK, message, format!("set it to {} or more", least.value)))
        }
        // Not every kernel has each: a network namespace shows fewer.
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_too_small_is_told_and_one_that_is_absent_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("net/ipv4")).expect("a folder");
        fs::write(folder.path().join("net/ipv4/ip_forward"), "0\n").expect("written");
        let findings = check_below(folder.path());
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].message,
            "`net.ipv4.ip_forward` is 0: containers reach nothing beyond the host"
        );
        fs::write(folder.path().join("net/ipv4/ip_forward"), "1\n").expect("written");
        assert_eq!(check_below(folder.path())[0].severity, super::super::Severity::Ok);
    }
}
