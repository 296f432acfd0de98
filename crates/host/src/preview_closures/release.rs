//! Closures and logs that leave.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::Duration;

use crate::closures::remove_root;
use crate::host::Host;
use crate::preview_closures::PreviewClosureError;
use crate::progress::Progress;

/// How long after its use a closure stays although no berth has it: whoever
/// asked for it may be about to make one.
const GRACE: Duration = Duration::from_mins(10);
/// How many logs of failed builds are kept for a look.
const FAILED_LOGS: usize = 20;

/// Lets closures go that no berth has, by least recent use, until `keep` are
/// left, and the logs of what is gone, but for the last ones of failed builds.
/// Returns what it removed, in words. What it cannot remove now it can the next
/// time, so a failure is only logged.
pub async fn release_unused(host: &Host, keep: usize, progress: &dyn Progress) -> Vec<String> {
    progress.step("release unused closures of previews");
    match release(host, keep).await {
        Ok(released) => released,
        Err(error) => {
            tracing::warn!(%error, "unused closures of previews could not be released");
            Vec::new()
        }
    }
}

async fn release(host: &Host, keep: usize) -> Result<Vec<String>, PreviewClosureError> {
    let mut released = Vec::new();
    let now = (host.now)();
    let before = now.checked_sub(GRACE).unwrap_or(now);
    for closure in host.state.leaving_preview_closures(keep, before).await? {
        if host.state.forget_preview_closure(&closure).await? {
            remove_root(host, closure.id)?;
            released.push(format!("the unused closure {}", closure.system));
        }
    }
    remove_logs(host).await?;
    Ok(released)
}

async fn remove_logs(host: &Host) -> Result<(), PreviewClosureError> {
    let found = logs(host);
    let closures = host.state.closures().await?.into_iter().map(|closure| closure.id.get());
    let builds = host.state.builds().await?.into_iter().map(|build| build.id.get());
    let explained: BTreeSet<i64> = closures.chain(builds).collect();
    let unexplained: Vec<i64> = found.difference(&explained).copied().collect();
    for id in unexplained.iter().rev().skip(FAILED_LOGS) {
        let path = host.layout.build_log(*id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "an old build log could not be removed");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The numbers of the builds of which there is a log. Listed before the
/// records: one whose record comes in between is explained.
fn logs(host: &Host) -> BTreeSet<i64> {
    let entries = fs::read_dir(host.layout.build_logs_dir()).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("closure-")?.strip_suffix(".log")?.parse().ok();
    entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect()
}
