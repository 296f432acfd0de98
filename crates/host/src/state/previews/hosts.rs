//! The first labels of the host names that previews have: unique among all.

use std::collections::BTreeMap;

use berth_core::{Name, PreviewId};
use sqlx::SqliteConnection;

use crate::state::{State, StateError};

impl State {
    /// Gives a preview exactly these labels, all or none. One that another
    /// preview has is refused and named.
    pub async fn set_hosts(&self, id: PreviewId, labels: &[Name]) -> Result<(), StateError> {
        const AIM: &str = "record the host names of a preview";
        let failed = self.failed(AIM);
        let mut transaction = self.write(AIM).await?;
        sqlx::query("DELETE FROM preview_hosts WHERE preview_id = ?")
            .bind(id.get())
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let taken = self::labels(&mut transaction).await.map_err(failed)?;
        if let Some((label, owner)) = labels.iter().find_map(|l| Some((l, taken.get(l.as_str())?))) {
            return Err(StateError::HostTaken { label: label.clone(), owner: owner.clone() });
        }
        insert(&mut transaction, id, labels).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}

/// Every label with the slug of the preview that has it.
pub(super) async fn labels(connection: &mut SqliteConnection) -> sqlx::Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT preview_hosts.label, previews.slug FROM preview_hosts \
         JOIN previews ON previews.id = preview_hosts.preview_id",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    id: PreviewId,
    labels: &[Name],
) -> sqlx::Result<()> {
    for label in labels {
        sqlx::query("INSERT INTO preview_hosts (label, preview_id) VALUES (?, ?)")
            .bind(label.as_str())
            .bind(id.get())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
