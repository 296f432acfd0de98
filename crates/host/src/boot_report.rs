//! What a container that did not come up said, while it is still there.

use berth_core::ContainerName;
use berth_core::plan::{Plan, Step};

use crate::agents::Detail;
use crate::apply::ApplyError;
use crate::host::Host;
use crate::journal;

/// How many lines of each log an error shows.
const LINES: u32 = 20;

/// The last lines of the unit's and of the container's journal, if the plan
/// got as far as starting it. Looked at before anything is taken back. Logs
/// that cannot be read are no second error.
pub(crate) async fn details(
    host: &Host,
    name: ContainerName,
    plan: &Plan,
    error: &ApplyError,
) -> Vec<Detail> {
    let ApplyError::Step { index, .. } = error else { return Vec::new() };
    let was_started =
        plan.steps.iter().take(index + 1).any(|step| matches!(step, Step::Start(_) | Step::AwaitLogin(_)));
    if !was_started {
        return Vec::new();
    }
    let unit = host.tools.systemd.unit_log(name, LINES).await.unwrap_or_default();
    let inside = match host.tools.guests.journal_tail(name, LINES).await {
        Ok(text) => text,
        Err(_) => journal::tail_of_stopped(&host.layout, name, LINES).await.unwrap_or_default(),
    };
    let details = [
        detail(&format!("the last lines of {}", name.unit()), &unit),
        detail("the last lines of the journal inside", &inside),
    ];
    details.into_iter().flatten().collect()
}

fn detail(title: &str, text: &str) -> Option<Detail> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    (!lines.is_empty()).then(|| Detail { title: title.to_owned(), lines })
}
