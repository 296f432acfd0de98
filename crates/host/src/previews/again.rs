//! Deploying a failed preview once more.

use berth_core::PreviewPhase;
use berth_core::config::PreviewConfig;
use berth_core::preview_phase::PreviewEvent;

use super::create::{FirstDeployment, give_up};
use super::{PreviewError, UpdateKind, UpdateOptions, Updated, find, new_berth, note, route};
use crate::agents::{Actor, chain};
use crate::host::Host;
use crate::progress::{Interrupt, Progress};
use crate::state::{Outcome, PreviewRecord};

/// Deploys a preview that has failed from the beginning; its database stays.
pub(super) async fn deploy_again(
    host: &Host,
    config: &PreviewConfig,
    record: PreviewRecord,
    options: UpdateOptions,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Updated, PreviewError> {
    note(host, by, &record, "update", Outcome::Began, None).await;
    let failed_before = record.reason.clone().unwrap_or_else(|| "it failed before".to_owned());
    let reason = Some(failed_before.as_str());
    host.state.advance_preview(record.id, record.phase, PreviewEvent::UpdateBegan, reason).await?;
    let left = clear(host, &record, progress).await?;
    if !left.is_empty() {
        let event = PreviewEvent::Failed;
        host.state.advance_preview(record.id, PreviewPhase::Building, event, reason).await?;
        note(host, by, &record, "update", Outcome::Failed, Some(left.join("; "))).await;
        return Err(PreviewError::Destroy { slug: record.slug, left });
    }
    let mut deployment = FirstDeployment {
        host,
        config,
        record: &record,
        commit: options.commit,
        wait: true,
        by,
        progress,
        interrupt,
        phase: PreviewPhase::Building,
        failed_before: Some(failed_before),
    };
    match deployment.run().await {
        Ok(()) => {
            note(host, by, &record, "update", Outcome::Succeeded, None).await;
            Ok(Updated { record: find(host, &record.slug).await?, kind: UpdateKind::Deployed })
        }
        // Also when it is interrupted: it was there before.
        Err(failed) => Err(give_up(host, &record, failed, true, "update", by, progress).await),
    }
}

/// Removes what the failed deployment left, but for the database. What could
/// not be removed is told.
async fn clear(
    host: &Host,
    record: &PreviewRecord,
    progress: &dyn Progress,
) -> Result<Vec<String>, PreviewError> {
    // It may have come to its route: its address is about to be free.
    if let Err(error) = route::routes(host).remove(record.id).await {
        return Ok(vec![format!("its route: {}", chain(&error))]);
    }
    let mut left = Vec::new();
    for berth in host.state.berths_of(record.id).await? {
        left.extend(new_berth::remove(host, &berth, progress).await);
    }
    Ok(left)
}
