//! What a killed process began: finished or taken back.

use berth_core::preview_phase::PreviewEvent;
use berth_core::{PreviewPhase, Wanted};

use super::strays::serves_nothing;
use super::{ACTION, lock, start_if_down};
use crate::agents::{Actor, chain};
use crate::host::Host;
use crate::previews::destroy::destroy_record;
use crate::previews::restart::{serving, set_up_again};
use crate::previews::{PreviewError, config, deploy, new_berth, route};
use crate::progress::{Interrupt, Progress};
use crate::state::{PreviewRecord, StateError};

/// Finishes or takes back what a killed process began.
pub(super) async fn cut_short(
    host: &Host,
    seen: &PreviewRecord,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Option<String>, String> {
    let told = |error: StateError| chain(&error);
    let Some(_lock) = lock(host, seen.id).await.map_err(|error| chain(&error))? else { return Ok(None) };
    // It may have been finished while we took the lock.
    let Some(now) = host.state.preview_of(seen.id).await.map_err(told)? else { return Ok(None) };
    if !now.is_half_way() {
        return Ok(None);
    }
    let slug = &now.slug;
    let is_wanted = now.wanted != Wanted::Absent;
    // Half-way to its first answer, only a second try has a reason.
    let is_second_try = now.reason.is_some();
    match now.phase {
        PreviewPhase::Updating if is_wanted => {
            lead_back(host, &now).await?;
            remove_other_berths(host, &now, progress).await?;
            give_back(host, &now).await?;
            let reason = "its last update was cut short";
            let event = PreviewEvent::UpdateFailed;
            host.state.advance_preview(now.id, now.phase, event, Some(reason)).await.map_err(told)?;
            // As when the host's reboot cut it short.
            start_if_down(host, now.id, by, progress, interrupt).await?;
            Ok(Some(format!(
                "took back the update of `{slug}`, which was cut short; it serves on what it did"
            )))
        }
        PreviewPhase::SettingUp if is_wanted && now.commit.is_some() => {
            give_back(host, &now).await?;
            let config = config(host).map_err(|error| chain(&error))?;
            let up = set_up_again(host, config, &now, by, progress, interrupt).await;
            up.map_err(|error| error.on_one_line())?;
            Ok(Some(format!("set `{slug}` up again, whose last update or restart was cut short")))
        }
        PreviewPhase::Building | PreviewPhase::Creating | PreviewPhase::SettingUp
            if is_wanted && is_second_try =>
        {
            remove_other_berths(host, &now, progress).await?;
            let reason = "its deployment was cut short";
            let event = PreviewEvent::Failed;
            host.state.advance_preview(now.id, now.phase, event, Some(reason)).await.map_err(told)?;
            Ok(Some(format!("marked `{slug}` as failed, whose deployment was cut short")))
        }
        PreviewPhase::Building
        | PreviewPhase::Creating
        | PreviewPhase::SettingUp
        | PreviewPhase::Running
        | PreviewPhase::Ready
        | PreviewPhase::Updating
        | PreviewPhase::Failed
        | PreviewPhase::Destroying
        | PreviewPhase::Gone => {
            let what = if now.wanted == Wanted::Absent { "removal" } else { "creation" };
            destroy_record(host, &now, by, ACTION, progress)
                .await
                .map_err(|error: PreviewError| error.on_one_line())?;
            Ok(Some(format!("removed the preview `{slug}`, whose {what} was cut short")))
        }
    }
}

async fn remove_other_berths(
    host: &Host,
    record: &PreviewRecord,
    progress: &dyn Progress,
) -> Result<(), String> {
    let mut left = Vec::new();
    for berth in host.state.berths_of(record.id).await.map_err(|error| chain(&error))? {
        if serves_nothing(record, &berth) {
            left.extend(new_berth::remove(host, &berth, progress).await);
        }
    }
    if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
}

/// Leads requests to the berth that serves, before another one goes.
async fn lead_back(host: &Host, record: &PreviewRecord) -> Result<(), String> {
    let (Some(config), Some(meta)) = (&host.config.preview, &record.meta) else { return Ok(()) };
    let Ok(berth) = serving(host, record).await else { return Ok(()) };
    route::lead_to(host, config, record, meta, &berth).await.map_err(|error| chain(&error))
}

/// Gives the berth that serves its commit and its host names back.
async fn give_back(host: &Host, record: &PreviewRecord) -> Result<(), String> {
    let (Some(commit), Some(meta)) = (&record.commit, &record.meta) else { return Ok(()) };
    let labels = route::labels(record, meta);
    host.state.set_hosts(record.id, &labels).await.map_err(|error| chain(&error))?;
    deploy::publish(host, record, commit).await.map_err(|error| chain(&error))
}
