//! The records of deliveries that were taken from the spool.

use berth_core::delivery::{DeliveryId, EventName};
use berth_core::lane::{News, Wish};
use berth_core::policy::Login;
use berth_core::{PullNumber, RepoName};
use jiff::Timestamp;

use super::{LaneRecord, State, StateError};

/// A verified delivery, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// GitHub's id of it.
    pub id: DeliveryId,
    /// The event.
    pub event: EventName,
    /// When the webhook received it.
    pub received_at: Timestamp,
    /// What it tells.
    pub meaning: Meaning,
}

/// What a delivery tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// To look at a pull request.
    Look {
        /// Its repository.
        repo: RepoName,
        /// Its number.
        pull: PullNumber,
        /// What somebody asks for with it.
        asked: Option<Asked>,
    },
    /// Nothing, for this reason.
    Nothing(String),
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub by: Login,
    /// For what.
    pub wish: Wish,
    /// In which comment, if in one.
    pub comment: Option<u64>,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is recorded, and with it the lane that it made dirty.
    New(Option<Box<LaneRecord>>),
    /// It had been recorded before, so nothing changed.
    Again,
}

impl State {
    /// Records a delivery and what it tells, both or none. One that is
    /// recorded already changes nothing: GitHub redelivers under the same id,
    /// and a file of the spool is removed only after this.
    pub async fn take_delivery(&self, new: NewDelivery, now: Timestamp) -> Result<Taken, StateError> {
        const AIM: &str = "record a delivery";
        let failed = self.failed(AIM);
        let mut transaction = self.write(AIM).await?;
        let is_known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM deliveries WHERE id = ?)")
            .bind(new.id.as_str())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        if is_known {
            return Ok(Taken::Again);
        }
        let (lane, asked, outcome) = match new.meaning {
            Meaning::Nothing(reason) => (None, None, reason),
            Meaning::Look { repo, pull, asked } => {
                let lane = self.hear_in(&mut transaction, &repo, pull, News::Delivery, now).await?;
                (Some(lane), asked, "heard".to_owned())
            }
        };
        if let (Some(lane), Some(Asked { by, wish, comment })) = (&lane, asked) {
            sqlx::query(
                "INSERT INTO lane_wishes (lane_id, delivery, asked_by, wish, comment_id) \
                 VALUES (?, ?, ?, ?, ?)",
            )
            .bind(lane.id.get())
            .bind(new.id.as_str())
            .bind(by.as_str())
            .bind(serde_json::to_string(&wish).expect("a wish is plain text"))
            .bind(comment.map(u64::cast_signed))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        sqlx::query(
            "INSERT INTO deliveries (id, event, lane_id, received_at, taken_at, outcome) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(new.id.as_str())
        .bind(new.event.as_str())
        .bind(lane.as_ref().map(|lane| lane.id.get()))
        .bind(new.received_at.as_millisecond())
        .bind(now.as_millisecond())
        .bind(outcome)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(Taken::New(lane.map(Box::new)))
    }

    /// Forgets the deliveries that were taken before that moment, and tells how
    /// many those were.
    pub async fn forget_deliveries(&self, before: Timestamp) -> Result<u64, StateError> {
        const AIM: &str = "forget old deliveries";
        let mut transaction = self.write(AIM).await?;
        let gone = sqlx::query("DELETE FROM deliveries WHERE taken_at < ?")
            .bind(before.as_millisecond())
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(gone.rows_affected())
    }

    /// What became of a delivery, in words; nothing where it was never taken.
    pub async fn delivery_outcome(&self, id: &DeliveryId) -> Result<Option<String>, StateError> {
        sqlx::query_scalar("SELECT outcome FROM deliveries WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look a delivery up"))
    }
}
