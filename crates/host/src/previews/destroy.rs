//! Removing previews.

use berth_core::lane::{Granted, Lane};
use berth_core::preview_phase::PreviewEvent;
use berth_core::{Name, PreviewPhase, Wanted};

use super::{PreviewError, lock, new_berth, note, route};
use crate::agents::{Actor, Destroyed, chain};
use crate::database_password;
use crate::host::Host;
use crate::preview_closures;
use crate::progress::Progress;
use crate::state::{Outcome, PreviewRecord, StateError};

/// Removes a preview and everything that belongs to it: route, containers,
/// database, source repository. Not there is success: the caller wants it gone.
pub async fn destroy(
    host: &Host,
    slug: &Name,
    by: &Actor,
    progress: &dyn Progress,
) -> Result<Destroyed, PreviewError> {
    match host.state.preview_called(slug).await? {
        Some(seen) => destroy_seen(host, &seen, by, "destroy", progress).await,
        None => Ok(Destroyed::NotThere),
    }
}

/// The same for a person: the preview of a pull request stays away then, until
/// the next push or `/preview`.
pub async fn destroy_by_hand(
    host: &Host,
    slug: &Name,
    by: &Actor,
    progress: &dyn Progress,
) -> Result<Destroyed, PreviewError> {
    let Some(seen) = host.state.preview_called(slug).await? else { return Ok(Destroyed::NotThere) };
    // First: `berthd` compares at any moment.
    keep_away(host, &seen).await?;
    destroy_seen(host, &seen, by, "destroy", progress).await
}

/// Removes every preview that has outlived its time, and tells which. One that
/// cannot be removed does not keep the others.
///
/// The preview of a pull request stays away then, whoever removes it: `berthd`
/// makes it again at the next push or `/preview`.
pub async fn expire(
    host: &Host,
    by: &Actor,
    progress: &dyn Progress,
) -> Result<Vec<(Name, Result<Destroyed, PreviewError>)>, PreviewError> {
    let mut outcomes = Vec::new();
    for seen in host.state.expired_previews((host.now)()).await? {
        let outcome = match keep_away(host, &seen).await {
            Ok(()) => destroy_seen(host, &seen, by, "expire", progress).await,
            Err(error) => Err(error.into()),
        };
        outcomes.push((seen.slug, outcome));
    }
    Ok(outcomes)
}

/// Records for a preview that berthd follows that its commit is not to come
/// back by itself.
async fn keep_away(host: &Host, seen: &PreviewRecord) -> Result<(), StateError> {
    let (Some(pull), Some(commit)) = (seen.pull, seen.commit.clone()) else { return Ok(()) };
    let Some(followed) = host.state.lane_of(&seen.repo, pull).await? else { return Ok(()) };
    let away = |lane: &mut Lane| lane.grant(Granted::Destroy(commit), lane.generation);
    host.state.change_lane(followed.id, &[], away).await.map(|_| ())
}

async fn destroy_seen(
    host: &Host,
    seen: &PreviewRecord,
    by: &Actor,
    action: &'static str,
    progress: &dyn Progress,
) -> Result<Destroyed, PreviewError> {
    let _lock = lock(host, seen, action, None).await?;
    // Whoever held the lock may have removed it.
    match host.state.preview_of(seen.id).await? {
        Some(now) => destroy_record(host, &now, by, action, progress).await,
        None => Ok(Destroyed::NotThere),
    }
}

/// Removes what belongs to a record, then the record. Its lock is held.
pub(super) async fn destroy_record(
    host: &Host,
    record: &PreviewRecord,
    by: &Actor,
    action: &'static str,
    progress: &dyn Progress,
) -> Result<Destroyed, PreviewError> {
    note(host, by, record, action, Outcome::Began, None).await;
    host.state.set_preview_wanted(record.id, Wanted::Absent).await?;
    host.state.advance_preview(record.id, record.phase, PreviewEvent::DestroyBegan, None).await?;
    let left = clear(host, record, progress).await?;
    if !left.is_empty() {
        let reason = left.join("; ");
        let begun = PreviewEvent::DestroyBegan;
        host.state.advance_preview(record.id, PreviewPhase::Destroying, begun, Some(&reason)).await?;
        note(host, by, record, action, Outcome::Failed, Some(reason)).await;
        return Err(PreviewError::Destroy { slug: record.slug.clone(), left });
    }
    host.state.advance_preview(record.id, PreviewPhase::Destroying, PreviewEvent::Removed, None).await?;
    note(host, by, record, action, Outcome::Succeeded, None).await;
    release_closures(host, progress).await;
    Ok(Destroyed::Removed)
}

/// Removes everything that the host has of a preview, and tells what stayed.
/// First nobody is led there any more, then nothing runs any more, then what it
/// used goes. What fails keeps only what may still need it.
async fn clear(
    host: &Host,
    record: &PreviewRecord,
    progress: &dyn Progress,
) -> Result<Vec<String>, PreviewError> {
    let mut left = Vec::new();
    progress.step("lead no requests to it");
    if let Err(error) = route::routes(host).remove(record.id).await {
        // Its address would be given to another container.
        return Ok(vec![format!("its route, and all that it leads to: {}", chain(&error))]);
    }
    let mut is_stopped = true;
    for berth in host.state.berths_of(record.id).await? {
        let of_berth = new_berth::remove(host, &berth, progress).await;
        is_stopped &= of_berth.is_empty();
        left.extend(of_berth);
    }
    if !is_stopped {
        // What still runs may use the rest.
        return Ok(left);
    }
    if record.has_database {
        progress.step("drop the database");
        match host.tools.postgres.remove(record.id).await {
            Ok(()) => left.extend(password(host, record)),
            Err(error) => left.push(format!("its database: {}", chain(&error))),
        }
    } else {
        left.extend(password(host, record));
    }
    progress.step("remove its source repository");
    if let Err(error) = host.tools.repos.remove(record.id).await {
        left.push(format!("its source repository: {}", chain(&error)));
    }
    Ok(left)
}

fn password(host: &Host, record: &PreviewRecord) -> Option<String> {
    let removed = database_password::remove(&host.layout, record.id);
    removed.err().map(|error| format!("its database's password: {}", chain(&error)))
}

/// Lets closures go that nobody has used for longest.
async fn release_closures(host: &Host, progress: &dyn Progress) {
    let Some(config) = &host.config.preview else { return };
    preview_closures::release_unused(host, config.bounds.closures_kept, progress).await;
}
