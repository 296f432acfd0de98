//! A fake PostgreSQL.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use berth_core::PreviewId;
use secrecy::SecretString;

use super::{Postgres, PostgresError};
use crate::exec::ExecError;
use crate::fake::{FakeWorld, Moment};

/// The PostgreSQL of a [`FakeWorld`].
pub struct FakePostgres {
    world: FakeWorld,
}

impl FakePostgres {
    /// That of this world.
    pub fn new(world: &FakeWorld) -> Self {
        Self { world: world.clone() }
    }

    async fn pass(&self, call: &str, moment: Moment) -> Result<(), PostgresError> {
        let refused = |error: ExecError| {
            let source = sqlx::Error::Io(io::Error::other(error));
            PostgresError::Refused { aim: format!("do `{call}`"), source }
        };
        self.world.pass(call, moment).await.map_err(refused)
    }

    /// The beginning of every call.
    async fn begin(&self, call: &str) -> Result<(), PostgresError> {
        self.pass(call, Moment::Before).await?;
        if self.world.lock().is_without_postgres {
            return Err(PostgresError::NotThere { socket: PathBuf::from("/run/postgresql/.s.PGSQL.5432") });
        }
        Ok(())
    }
}

#[async_trait]
impl Postgres for FakePostgres {
    async fn ensure(&self, id: PreviewId, password: &SecretString) -> Result<(), PostgresError> {
        let call = format!("postgres.ensure {}", id.database());
        self.begin(&call).await?;
        self.world.lock().roles.insert(id, password.clone());
        self.pass(&call, Moment::Midway).await?;
        self.world.lock().databases.insert(id);
        self.pass(&call, Moment::After).await
    }

    async fn remove(&self, id: PreviewId) -> Result<(), PostgresError> {
        let call = format!("postgres.remove {}", id.database());
        self.begin(&call).await?;
        self.world.lock().databases.remove(&id);
        self.pass(&call, Moment::Midway).await?;
        self.world.lock().roles.remove(&id);
        self.pass(&call, Moment::After).await
    }

    async fn list(&self) -> Result<BTreeSet<PreviewId>, PostgresError> {
        self.begin("postgres.list").await?;
        let inner = self.world.lock();
        Ok(inner.roles.keys().chain(&inner.databases).copied().collect())
    }
}
