//! The database of a preview, if it wants one of the host's.

use berth_core::Meta;
use berth_core::meta::DatabaseMode;

use super::DeployError;
use crate::database_password;
use crate::host::Host;
use crate::progress::Progress;
use crate::state::PreviewRecord;

/// Sees to it that a preview that declares a database of the host's has one.
/// It outlives the preview's berths, and stays when a later commit wants none.
///
/// Recorded before it is made: what a killed process leaves is removed with the
/// preview.
pub(super) async fn ensure(
    host: &Host,
    record: &PreviewRecord,
    meta: &Meta,
    progress: &dyn Progress,
) -> Result<(), DeployError> {
    if meta.database != Some(DatabaseMode::Host) {
        return Ok(());
    }
    progress.step("prepare the database");
    host.state.set_has_database(record.id).await?;
    let password = database_password::read_or_make(&host.layout, record.id)?;
    host.tools.postgres.ensure(record.id, &password).await?;
    Ok(())
}
