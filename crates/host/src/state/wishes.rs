//! The records of what people ask for on pull requests, and of what became of
//! it until they were told.
//!
//! A row begins as a wish that nobody has looked into. Looking into it either
//! removes it or gives it an answer, in the transaction in which the lane
//! changes; telling the answer removes it. So a killed daemon forgets neither.

use berth_core::lane::{Answer, Wish};
use berth_core::policy::Login;
use sqlx::sqlite::SqliteRow;

use super::lanes::{Immediate, LaneId};
use super::row::Fields;
use super::{State, StateError};

const TABLE: &str = "lane_wishes";

/// Something that somebody asked for, and that nobody has looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWish {
    /// Its row id.
    pub id: i64,
    /// Who asked.
    pub by: Login,
    /// For what.
    pub wish: Wish,
    /// The comment in which it stood, if in one.
    pub comment: Option<u64>,
}

/// A wish that was looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its row id.
    pub id: i64,
    /// What is to be told; where there is nothing to tell, it is forgotten.
    pub answer: Option<Answer>,
}

/// What became of a wish, which was not told yet, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The wish. It has a comment as long as that waits for a reaction.
    pub asked: KeptWish,
    /// What became of it.
    pub answer: Answer,
}

impl State {
    /// What was asked for on a lane and not looked into, in the order in which
    /// it was taken.
    pub async fn wishes(&self, lane: LaneId) -> Result<Vec<KeptWish>, StateError> {
        let rows = sqlx::query("SELECT * FROM lane_wishes WHERE lane_id = ? AND answer IS NULL ORDER BY id")
            .bind(lane.get())
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list what was asked for"))?;
        rows.iter().map(|row| self.wish_of_row(row)).collect()
    }

    /// What is still to be told of the wishes on a lane, in the order in which
    /// those were taken.
    pub async fn answers(&self, lane: LaneId) -> Result<Vec<KeptAnswer>, StateError> {
        let rows =
            sqlx::query("SELECT * FROM lane_wishes WHERE lane_id = ? AND answer IS NOT NULL ORDER BY id")
                .bind(lane.get())
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed("list what is to be answered"))?;
        rows.iter()
            .map(|row| {
                let fields = Fields::of(self, TABLE, row)?;
                Ok(KeptAnswer { asked: self.wish_of_row(row)?, answer: fields.json("answer")? })
            })
            .collect()
    }

    /// Records that the comments of these wishes wait for no reaction any more.
    pub async fn set_reacted(&self, wishes: &[i64]) -> Result<(), StateError> {
        self.for_each("UPDATE lane_wishes SET comment_id = NULL WHERE id = ?", wishes).await
    }

    /// Forgets wishes of which all was told.
    pub async fn forget_wishes(&self, wishes: &[i64]) -> Result<(), StateError> {
        self.for_each("DELETE FROM lane_wishes WHERE id = ?", wishes).await
    }

    async fn for_each(&self, change: &'static str, wishes: &[i64]) -> Result<(), StateError> {
        const AIM: &str = "record what was answered";
        if wishes.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write(AIM).await?;
        for id in wishes {
            sqlx::query(change).bind(id).execute(&mut *transaction).await.map_err(self.failed(AIM))?;
        }
        transaction.commit().await.map_err(self.failed(AIM))
    }

    pub(super) async fn settle_in(
        &self,
        transaction: &mut Immediate,
        lane: LaneId,
        Settled { id, answer }: &Settled,
    ) -> Result<(), StateError> {
        let query = match answer {
            Some(answer) => {
                let answer = serde_json::to_string(answer).expect("an answer is plain text");
                sqlx::query("UPDATE lane_wishes SET answer = ? WHERE id = ? AND lane_id = ?").bind(answer)
            }
            None => sqlx::query("DELETE FROM lane_wishes WHERE id = ? AND lane_id = ?"),
        };
        let done = query.bind(id).bind(lane.get()).execute(&mut **transaction).await;
        done.map(|_| ()).map_err(self.failed("record what was asked for"))
    }

    fn wish_of_row(&self, row: &SqliteRow) -> Result<KeptWish, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        Ok(KeptWish {
            id: fields.id(),
            by: fields.parsed("asked_by")?,
            wish: fields.json("wish")?,
            comment: fields.value::<Option<i64>>("comment_id")?.map(i64::cast_unsigned),
        })
    }
}
