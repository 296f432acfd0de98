//! The records of lanes: what berthd has to do for each pull request.
//!
//! What a lane is and how it changes is `berth_core::lane`; here each change is
//! read, made and written in one transaction.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use berth_core::lane::{Lane, News};
use berth_core::{CommitSha, PullNumber, RepoName};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};

use super::row::Fields;
use super::{Settled, State, StateError};

const TABLE: &str = "lanes";

/// The number of a lane; people call it a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LaneId(i64);

impl LaneId {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for LaneId {
    fn from(id: i64) -> Self {
        Self(id)
    }
}

impl FromStr for LaneId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All that is recorded of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRecord {
    /// Its number.
    pub id: LaneId,
    /// The repository of the pull request.
    pub repo: RepoName,
    /// The pull request.
    pub pull: PullNumber,
    /// What there is to do.
    pub lane: Lane,
    /// What GitHub was told.
    pub told: Told,
    /// When something was heard last.
    pub heard_at: Timestamp,
}

/// What GitHub was told of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The comment on the pull request.
    pub comment: Option<u64>,
    /// The newest deployment.
    pub deployment: Option<u64>,
    /// What tells apart what was told last.
    pub reported: Option<String>,
    /// The text of the comment, without what was added to it.
    pub text: Option<String>,
}

impl State {
    /// Something was heard of a pull request: its lane is dirty now, and made
    /// where there is none.
    pub async fn hear(
        &self,
        repo: &RepoName,
        pull: PullNumber,
        news: News,
        now: Timestamp,
    ) -> Result<LaneRecord, StateError> {
        const AIM: &str = "record news of a pull request";
        let mut transaction = self.write(AIM).await?;
        let record = self.hear_in(&mut transaction, repo, pull, news, now).await?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(record)
    }

    pub(super) async fn hear_in(
        &self,
        transaction: &mut Immediate,
        repo: &RepoName,
        pull: PullNumber,
        news: News,
        now: Timestamp,
    ) -> Result<LaneRecord, StateError> {
        let row = sqlx::query(
            "INSERT INTO lanes (repo, pull, heard_at) VALUES (?, ?, ?) \
             ON CONFLICT (repo, pull) DO UPDATE SET heard_at = excluded.heard_at RETURNING *",
        )
        .bind(repo.as_str())
        .bind(i64::from(pull.get()))
        .bind(now.as_millisecond())
        .fetch_one(&mut **transaction)
        .await
        .map_err(self.failed("record news of a pull request"))?;
        let mut record = self.lane_of_row(&row)?;
        record.lane.hear(news, now);
        self.write_lane(transaction, record.id, &record.lane).await?;
        Ok(record)
    }

    /// Changes a lane, if it is still there. These wishes were looked into,
    /// which is recorded in the same moment.
    pub async fn change_lane(
        &self,
        id: LaneId,
        settled: &[Settled],
        change: impl FnOnce(&mut Lane) + Send,
    ) -> Result<Option<LaneRecord>, StateError> {
        const AIM: &str = "record the work on a lane";
        let mut transaction = self.write(AIM).await?;
        let row = sqlx::query("SELECT * FROM lanes WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(self.failed(AIM))?;
        let Some(row) = row else { return Ok(None) };
        let mut record = self.lane_of_row(&row)?;
        change(&mut record.lane);
        self.write_lane(&mut transaction, id, &record.lane).await?;
        for wish in settled {
            self.settle_in(&mut transaction, id, wish).await?;
        }
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(Some(record))
    }

    /// Records what GitHub was told.
    pub async fn set_told(&self, id: LaneId, told: &Told) -> Result<(), StateError> {
        const AIM: &str = "record what GitHub was told";
        let mut transaction = self.write(AIM).await?;
        sqlx::query(
            "UPDATE lanes SET comment_id = ?, deployment_id = ?, reported = ?, told_text = ? WHERE id = ?",
        )
        .bind(told.comment.map(u64::cast_signed))
        .bind(told.deployment.map(u64::cast_signed))
        .bind(&told.reported)
        .bind(&told.text)
        .bind(id.0)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))
    }

    /// All lanes, ordered by repository and number.
    pub async fn lanes(&self) -> Result<Vec<LaneRecord>, StateError> {
        let rows = sqlx::query("SELECT * FROM lanes ORDER BY repo, pull")
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list the lanes"))?;
        rows.iter().map(|row| self.lane_of_row(row)).collect()
    }

    /// The lanes on which there is work, now or later, the dead ones included;
    /// the one that has waited longest first.
    pub async fn dirty_lanes(&self) -> Result<Vec<LaneRecord>, StateError> {
        let rows =
            sqlx::query("SELECT * FROM lanes WHERE done_generation < generation ORDER BY heard_at, id")
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed("list the lanes with work"))?;
        rows.iter().map(|row| self.lane_of_row(row)).collect()
    }

    /// The lane of this number.
    pub async fn lane(&self, id: LaneId) -> Result<Option<LaneRecord>, StateError> {
        let row = sqlx::query("SELECT * FROM lanes WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look a lane up"))?;
        row.map(|row| self.lane_of_row(&row)).transpose()
    }

    /// The lane of a pull request, if berthd follows it.
    pub async fn lane_of(&self, repo: &RepoName, pull: PullNumber) -> Result<Option<LaneRecord>, StateError> {
        let row = sqlx::query("SELECT * FROM lanes WHERE repo = ? AND pull = ?")
            .bind(repo.as_str())
            .bind(i64::from(pull.get()))
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look the lane of a pull request up"))?;
        row.map(|row| self.lane_of_row(&row)).transpose()
    }

    async fn write_lane(
        &self,
        transaction: &mut Immediate,
        id: LaneId,
        lane: &Lane,
    ) -> Result<(), StateError> {
        let approvals = serde_json::to_string(&lane.approvals).expect("approvals are plain text");
        sqlx::query(
            "UPDATE lanes SET generation = ?, done_generation = ?, attempts = ?, unasked = ?, next_at = ?, \
                              is_dead = ?, error = ?, approvals = ?, suppressed = ?, refused = ?, forced = ? WHERE id = ?",
        )
        .bind(lane.generation.cast_signed())
        .bind(lane.done.cast_signed())
        .bind(lane.attempts)
        .bind(lane.unasked)
        .bind(lane.next_at.map(Timestamp::as_millisecond))
        .bind(lane.is_dead)
        .bind(&lane.error)
        .bind(approvals)
        .bind(lane.suppressed.as_ref().map(CommitSha::as_str))
        .bind(lane.refused.as_ref().map(CommitSha::as_str))
        .bind(lane.forced.map(u64::cast_signed))
        .bind(id.0)
        .execute(&mut **transaction)
        .await
        .map_err(self.failed("record a lane"))?;
        Ok(())
    }

    fn lane_of_row(&self, row: &SqliteRow) -> Result<LaneRecord, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        let count = |column| -> Result<u64, StateError> {
            let number: i64 = fields.value(column)?;
            u64::try_from(number).map_err(|error| fields.refuse(column, error))
        };
        let number_if_any =
            |column| Ok::<_, StateError>(fields.value::<Option<i64>>(column)?.map(i64::cast_unsigned));
        let pull: i64 = fields.value("pull")?;
        Ok(LaneRecord {
            id: LaneId(fields.id()),
            repo: fields.parsed("repo")?,
            pull: pull.to_string().parse().map_err(|error| fields.refuse("pull", error))?,
            lane: Lane {
                generation: count("generation")?,
                done: count("done_generation")?,
                attempts: u32::try_from(count("attempts")?).map_err(|e| fields.refuse("attempts", e))?,
                unasked: u32::try_from(count("unasked")?).map_err(|e| fields.refuse("unasked", e))?,
                next_at: fields.time_if_any("next_at")?,
                is_dead: fields.value("is_dead")?,
                error: fields.value("error")?,
                approvals: fields.json("approvals")?,
                suppressed: fields.parsed_if_any("suppressed")?,
                refused: fields.parsed_if_any("refused")?,
                forced: number_if_any("forced")?,
            },
            told: Told {
                comment: number_if_any("comment_id")?,
                deployment: number_if_any("deployment_id")?,
                reported: fields.value("reported")?,
                text: fields.value("told_text")?,
            },
            heard_at: fields.time("heard_at")?,
        })
    }
}

pub(super) type Immediate = Transaction<'static, Sqlite>;

#[cfg(test)]
mod tests;
