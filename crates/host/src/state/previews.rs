//! The records of previews, of their repositories and of their host names.
//!
//! A preview outlives its berths: at an update it has two, and
//! [`PreviewRecord::berth`] is the one that serves (or, of a failed preview,
//! the one that is kept for a look). What is deployed is recorded with it in one
//! transaction, so that record and site never tell two things.

mod hosts;

use berth_core::preview_phase::PreviewEvent;
use berth_core::repo::{BranchName, CommitSha, PullNumber, RepoName};
use berth_core::slug::{self, Origin};
use berth_core::{Limits, Meta, Name, PreviewId, PreviewPhase, Wanted};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, Transaction};

use super::row::Fields;
use super::{BerthId, ClosureId, State, StateError};

const TABLE: &str = "previews";

/// Whole records.
macro_rules! select_previews {
    ($rest:literal) => {
        concat!(
            "SELECT previews.*, repositories.name AS repository FROM previews \
             JOIN repositories ON repositories.id = previews.repository_id ",
            $rest
        )
    };
}

/// The number of a repository, after which its mirror is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RepositoryId(i64);

impl RepositoryId {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// All that is recorded of a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewRecord {
    /// Its number.
    pub id: PreviewId,
    /// What people call it, and the first label of its host name.
    pub slug: Name,
    /// Its repository.
    pub repository: RepositoryId,
    /// That repository's name.
    pub repo: RepoName,
    /// The branch; of a pull request, the branch that it comes from.
    pub branch: BranchName,
    /// The pull request, if it is one.
    pub pull: Option<PullNumber>,
    /// How far it is.
    pub phase: PreviewPhase,
    /// What somebody wants it to be.
    pub wanted: Wanted,
    /// Why it is in this phase, or why its last update came to nothing.
    pub reason: Option<String>,
    /// What is deployed, once something is.
    pub commit: Option<CommitSha>,
    /// The berth that serves it, or the one that is kept for a look.
    pub berth: Option<BerthId>,
    /// What the deployed commit declares.
    pub meta: Option<Meta>,
    /// A hash of what else went into the deployment.
    pub inputs: Option<String>,
    /// Whether the host has a database for it.
    pub has_database: bool,
    /// Whether it may have secrets of the host.
    pub is_trusted: bool,
    /// The build whose log tells of its last closure, as long as that is kept.
    pub last_build: Option<ClosureId>,
    /// What it may use.
    pub limits: Limits,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When its commit was deployed.
    pub deployed_at: Option<Timestamp>,
    /// When it is to go, if ever.
    pub expires_at: Option<Timestamp>,
}

impl PreviewRecord {
    /// Whether a process that died left work half done: in the middle of a
    /// phase, or between the wish to remove it and the first step.
    pub fn is_half_way(&self) -> bool {
        self.phase.is_half_way() || self.wanted == Wanted::Absent
    }
}

/// What a new preview is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPreview {
    /// The repository.
    pub repo: RepoName,
    /// The branch.
    pub branch: BranchName,
    /// The pull request, if it is one.
    pub pull: Option<PullNumber>,
    /// The slug that somebody chose; one is made if nothing.
    pub slug: Option<Name>,
    /// The repository whose pull requests are known by their number alone.
    pub default_repository: Option<RepoName>,
    /// Names that the operator keeps for other uses.
    pub reserved: Vec<Name>,
    /// Whether it may have secrets of the host.
    pub is_trusted: bool,
    /// What it may use.
    pub limits: Limits,
    /// Who asks for it.
    pub created_by: String,
    /// Now.
    pub created_at: Timestamp,
    /// When it is to go, if ever.
    pub expires_at: Option<Timestamp>,
}

/// What has been deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The commit.
    pub commit: CommitSha,
    /// What it declares.
    pub meta: Meta,
    /// A hash of what else went into it.
    pub inputs: String,
    /// The berth that serves it.
    pub berth: BerthId,
    /// Now.
    pub at: Timestamp,
}

impl State {
    /// Takes the slug, and the place of this branch or pull request: both or
    /// none. The record begins in [`PreviewPhase::Building`].
    pub async fn add_preview(&self, new: NewPreview) -> Result<PreviewRecord, StateError> {
        const AIM: &str = "record a preview";
        let failed = self.failed(AIM);
        let mut transaction = self.write(AIM).await?;
        let repository = self.repository(&mut transaction, &new.repo, new.created_at).await?;
        self.refuse_second_preview(&mut transaction, repository, &new).await?;
        let slug = self.free_slug(&mut transaction, &new).await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO previews (repository_id, branch, pull, slug, phase, wanted, is_trusted, \
                                   memory, cpus, tasks, created_by, created_at, expires_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(repository.0)
        .bind(new.branch.as_str())
        .bind(new.pull.map(|pull| i64::from(pull.get())))
        .bind(slug.as_str())
        .bind(PreviewPhase::Building.as_str())
        .bind(Wanted::Running.as_str())
        .bind(new.is_trusted)
        .bind(new.limits.memory.to_string())
        .bind(new.limits.cpus.to_string())
        .bind(new.limits.tasks.to_string())
        .bind(&new.created_by)
        .bind(new.created_at.as_millisecond())
        .bind(new.expires_at.map(Timestamp::as_millisecond))
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
        let id = PreviewId::new(id);
        hosts::insert(&mut transaction, id, std::slice::from_ref(&slug)).await.map_err(failed)?;
        let row = sqlx::query(select_previews!("WHERE previews.id = ?"))
            .bind(id.get())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        let record = self.preview(&row)?;
        transaction.commit().await.map_err(failed)?;
        Ok(record)
    }

    /// Moves a preview on to what follows `event`, if it still is in the phase
    /// that the caller saw. `reason` takes the place of the last one.
    /// [`PreviewPhase::Gone`] removes the record with its host names.
    pub async fn advance_preview(
        &self,
        id: PreviewId,
        from: PreviewPhase,
        event: PreviewEvent,
        reason: Option<&str>,
    ) -> Result<PreviewPhase, StateError> {
        const AIM: &str = "record the phase of a preview";
        let next = from.after(event)?;
        let mut transaction = self.write(AIM).await?;
        self.refuse_other_preview_phase(&mut transaction, id, from).await?;
        let statement = if next == PreviewPhase::Gone {
            sqlx::query("DELETE FROM previews WHERE id = ?").bind(id.get())
        } else {
            sqlx::query("UPDATE previews SET phase = ?, reason = ? WHERE id = ?")
                .bind(next.as_str())
                .bind(reason)
                .bind(id.get())
        };
        statement.execute(&mut *transaction).await.map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(next)
    }

    /// Records what is deployed, together with the phase that follows.
    pub async fn deploy(
        &self,
        id: PreviewId,
        from: PreviewPhase,
        event: PreviewEvent,
        deployed: &Deployment,
    ) -> Result<PreviewPhase, StateError> {
        const AIM: &str = "record a deployment";
        let next = from.after(event)?;
        let mut transaction = self.write(AIM).await?;
        self.refuse_other_preview_phase(&mut transaction, id, from).await?;
        sqlx::query(
            "UPDATE previews SET phase = ?, reason = NULL, commit_sha = ?, meta = ?, inputs = ?, \
                                 berth_id = ?, deployed_at = ? WHERE id = ?",
        )
        .bind(next.as_str())
        .bind(deployed.commit.as_str())
        .bind(deployed.meta.to_json())
        .bind(&deployed.inputs)
        .bind(deployed.berth.get())
        .bind(deployed.at.as_millisecond())
        .bind(id.get())
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(AIM))?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(next)
    }

    /// Records which berth serves a preview, or is kept for a look.
    pub async fn set_preview_berth(&self, id: PreviewId, berth: BerthId) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE previews SET berth_id = ? WHERE id = ?");
        self.update_preview(id, "record a berth", statement.bind(berth.get()).bind(id.get())).await
    }

    /// Records whose log tells of its last build.
    pub async fn set_last_build(&self, id: PreviewId, build: ClosureId) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE previews SET last_build = ? WHERE id = ?");
        self.update_preview(id, "record a build", statement.bind(build.get()).bind(id.get())).await
    }

    /// Records that the host has, or is about to have, a database for it.
    pub async fn set_has_database(&self, id: PreviewId) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE previews SET has_database = 1 WHERE id = ?");
        self.update_preview(id, "record a database", statement.bind(id.get())).await
    }

    /// Records a hash of what the services of a preview were told at their last
    /// start.
    pub async fn set_inputs(&self, id: PreviewId, inputs: &str) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE previews SET inputs = ? WHERE id = ?");
        self.update_preview(id, "record what a preview was told", statement.bind(inputs).bind(id.get())).await
    }

    /// Records what somebody wants of a preview.
    pub async fn set_preview_wanted(&self, id: PreviewId, wanted: Wanted) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE previews SET wanted = ? WHERE id = ?");
        self.update_preview(id, "record what is wanted", statement.bind(wanted.as_str()).bind(id.get())).await
    }

    /// Records when a preview is to go.
    pub async fn set_preview_expiry(&self, id: PreviewId, at: Option<Timestamp>) -> Result<(), StateError> {
        let statement = sqlx::query("UPDATE previews SET expires_at = ? WHERE id = ?");
        let at = at.map(Timestamp::as_millisecond);
        self.update_preview(id, "record an expiry", statement.bind(at).bind(id.get())).await
    }

    /// All previews, ordered by slug.
    pub async fn previews(&self) -> Result<Vec<PreviewRecord>, StateError> {
        let rows = sqlx::query(select_previews!("ORDER BY previews.slug"))
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list the previews"))?;
        rows.iter().map(|row| self.preview(row)).collect()
    }

    /// The preview of this slug.
    pub async fn preview_called(&self, slug: &Name) -> Result<Option<PreviewRecord>, StateError> {
        let row = sqlx::query(select_previews!("WHERE previews.slug = ?"))
            .bind(slug.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look a slug up"))?;
        row.map(|row| self.preview(&row)).transpose()
    }

    /// The preview of this number.
    pub async fn preview_of(&self, id: PreviewId) -> Result<Option<PreviewRecord>, StateError> {
        let row = sqlx::query(select_previews!("WHERE previews.id = ?"))
            .bind(id.get())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("look a preview up"))?;
        row.map(|row| self.preview(&row)).transpose()
    }

    /// The previews whose time is over at `now`, ordered by slug.
    pub async fn expired_previews(&self, now: Timestamp) -> Result<Vec<PreviewRecord>, StateError> {
        let rows = sqlx::query(select_previews!("WHERE previews.expires_at <= ? ORDER BY previews.slug"))
            .bind(now.as_millisecond())
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list what has expired"))?;
        rows.iter().map(|row| self.preview(row)).collect()
    }

    /// The number of a repository, for work without a preview.
    pub async fn repository_number(
        &self,
        repo: &RepoName,
        now: Timestamp,
    ) -> Result<RepositoryId, StateError> {
        const AIM: &str = "record a repository";
        let mut transaction = self.write(AIM).await?;
        let id = self.repository(&mut transaction, repo, now).await?;
        transaction.commit().await.map_err(self.failed(AIM))?;
        Ok(id)
    }

    /// The repositories that there are mirrors of.
    pub async fn repositories(&self) -> Result<Vec<(RepositoryId, RepoName)>, StateError> {
        let rows = sqlx::query("SELECT id, name FROM repositories ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .map_err(self.failed("list the repositories"))?;
        rows.iter()
            .map(|row| {
                let fields = Fields::of(self, "repositories", row)?;
                Ok((RepositoryId(fields.id()), fields.parsed("name")?))
            })
            .collect()
    }

    async fn update_preview(
        &self,
        id: PreviewId,
        aim: &'static str,
        statement: Statement<'_>,
    ) -> Result<(), StateError> {
        let mut transaction = self.write(aim).await?;
        let done = statement.execute(&mut *transaction).await.map_err(self.failed(aim))?;
        if done.rows_affected() == 0 {
            return Err(StateError::PreviewGone { id });
        }
        transaction.commit().await.map_err(self.failed(aim))
    }

    async fn repository(
        &self,
        transaction: &mut Immediate,
        repo: &RepoName,
        now: Timestamp,
    ) -> Result<RepositoryId, StateError> {
        let id = sqlx::query_scalar(
            "INSERT INTO repositories (name, created_at) VALUES (?, ?) \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
        )
        .bind(repo.as_str())
        .bind(now.as_millisecond())
        .fetch_one(&mut **transaction)
        .await
        .map_err(self.failed("record a repository"))?;
        Ok(RepositoryId(id))
    }

    async fn refuse_second_preview(
        &self,
        transaction: &mut Immediate,
        repository: RepositoryId,
        new: &NewPreview,
    ) -> Result<(), StateError> {
        let pull = new.pull.map(|pull| i64::from(pull.get()));
        let slug: Option<(i64, String)> = sqlx::query_as(
            "SELECT id, slug FROM previews WHERE repository_id = ?1 \
             AND CASE WHEN ?2 IS NULL THEN pull IS NULL AND branch = ?3 ELSE pull = ?2 END",
        )
        .bind(repository.0)
        .bind(pull)
        .bind(new.branch.as_str())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(self.failed("look for a preview of the same branch"))?;
        match slug {
            None => Ok(()),
            Some((id, slug)) => Err(StateError::PreviewExists {
                repo: new.repo.clone(),
                branch: new.branch.clone(),
                pull: new.pull,
                slug: slug.parse().map_err(|error| self.refuse_value(TABLE, id, "slug", &error))?,
            }),
        }
    }

    async fn free_slug(&self, transaction: &mut Immediate, new: &NewPreview) -> Result<Name, StateError> {
        let taken = hosts::labels(transaction).await.map_err(self.failed("list the host names"))?;
        if let Some(slug) = &new.slug {
            return match taken.get(slug.as_str()) {
                Some(owner) => Err(StateError::HostTaken { label: slug.clone(), owner: owner.clone() }),
                None => Ok(slug.clone()),
            };
        }
        let origin = new.pull.map_or(Origin::Branch(&new.branch), Origin::Pull);
        let is_taken = |slug: &Name| {
            taken.contains_key(slug.as_str()) || slug::is_reserved(slug) || new.reserved.contains(slug)
        };
        Ok(slug::slug(&new.repo, origin, new.default_repository.as_ref(), is_taken))
    }

    async fn refuse_other_preview_phase(
        &self,
        transaction: &mut Immediate,
        id: PreviewId,
        expected: PreviewPhase,
    ) -> Result<(), StateError> {
        let row = sqlx::query("SELECT id, slug, phase FROM previews WHERE id = ?")
            .bind(id.get())
            .fetch_optional(&mut **transaction)
            .await
            .map_err(self.failed("look a preview up"))?;
        let row = row.ok_or(StateError::PreviewGone { id })?;
        let fields = Fields::of(self, TABLE, &row)?;
        let found: PreviewPhase = fields.parsed("phase")?;
        if found == expected {
            return Ok(());
        }
        Err(StateError::PreviewChanged { slug: fields.parsed("slug")?, expected, found })
    }

    fn preview(&self, row: &SqliteRow) -> Result<PreviewRecord, StateError> {
        let fields = Fields::of(self, TABLE, row)?;
        let meta = fields.value::<Option<&str>>("meta")?;
        let pull = fields.value::<Option<i64>>("pull")?;
        Ok(PreviewRecord {
            id: PreviewId::new(fields.id()),
            slug: fields.parsed("slug")?,
            repository: RepositoryId(fields.value("repository_id")?),
            repo: fields.parsed("repository")?,
            branch: fields.parsed("branch")?,
            pull: pull
                .map(|number| number.to_string().parse().map_err(|error| fields.refuse("pull", error)))
                .transpose()?,
            phase: fields.parsed("phase")?,
            wanted: fields.parsed("wanted")?,
            reason: fields.value("reason")?,
            commit: fields.parsed_if_any("commit_sha")?,
            berth: fields.value::<Option<i64>>("berth_id")?.map(BerthId::from_row),
            meta: meta
                .map(|json| Meta::parse(json).map_err(|error| fields.refuse("meta", error)))
                .transpose()?,
            inputs: fields.value("inputs")?,
            has_database: fields.value("has_database")?,
            is_trusted: fields.value("is_trusted")?,
            last_build: fields.value::<Option<i64>>("last_build")?.map(ClosureId::from_row),
            limits: Limits {
                memory: fields.parsed("memory")?,
                cpus: fields.parsed("cpus")?,
                tasks: fields.parsed("tasks")?,
            },
            created_by: fields.value("created_by")?,
            created_at: fields.time("created_at")?,
            deployed_at: fields.time_if_any("deployed_at")?,
            expires_at: fields.time_if_any("expires_at")?,
        })
    }
}

type Immediate = Transaction<'static, Sqlite>;
type Statement<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

#[cfg(test)]
mod tests;
