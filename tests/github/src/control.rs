//! The tests' side: commands as JSON by POST to `/`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::command::Command;
use crate::grants::{Grant, Who};
use crate::people::{self, At, Opening};
use crate::world::{Limit, World};
use crate::{Shared, answer};

const COMMAND_MAX: usize = 64 << 20;

pub(crate) fn app(shared: Shared) -> Router {
    Router::new().fallback(receive).with_state(shared)
}

async fn receive(State(shared): State<Shared>, request: Request) -> Response<axum::body::Body> {
    let body = to_bytes(request.into_body(), COMMAND_MAX).await.unwrap_or_else(|_| Bytes::new());
    let done = match serde_json::from_slice::<Command>(&body).context("read the command") {
        Ok(command) => run(&shared, command).await,
        Err(error) => Err(error),
    };
    let answer = match done {
        Ok(value) => answer::Answer::new(StatusCode::OK, value),
        Err(error) => answer::Answer::new(StatusCode::BAD_REQUEST, json!({ "error": format!("{error:#}") })),
    };
    answer.send()
}

/// Carries a command out.
pub(crate) async fn run(shared: &Shared, command: Command) -> Result<Value> {
    match command {
        Command::AddRepo { repo, private, installed, files } => {
            shared.world().add_repo(&repo, private, installed, false)?;
            shared.git.make(&repo).await?;
            let files = files.into_iter().map(|(path, content)| (path, Some(content))).collect();
            let sha = shared.git.commit(&repo, "main", &files, ("first", "ada")).await?;
            Ok(json!({ "sha": sha }))
        }
        Command::Fork { repo, to } => {
            let is_private = shared.world().repo(&repo)?.is_private;
            shared.world().add_repo(&to, is_private, false, true)?;
            shared.git.copy(&repo, &to).await.map(|()| json!({}))
        }
        Command::DeleteRepo { repo } => {
            shared.world().repos.remove(&repo.to_ascii_lowercase()).context("it is there")?;
            shared.git.delete(&repo).map(|()| json!({}))
        }
        Command::Push { repo, branch, files, message, by } => {
            let owner = shared.world().repo(&repo)?.owner().to_owned();
            let by = by.unwrap_or(owner);
            let message = message.unwrap_or_else(|| "change".to_owned());
            let sha = shared.git.commit(&repo, &branch, &files, (&message, &by)).await?;
            people::follow(shared, &repo).await?;
            Ok(json!({ "sha": sha }))
        }
        Command::Open { repo, from, branch, by, draft } => {
            let from = from.as_deref().unwrap_or(&repo);
            people::open(shared, &Opening { repo: &repo, from, branch: &branch, by: &by, draft }).await
        }
        Command::OpenMany { repo, branch, count } => people::open_many(shared, &repo, &branch, count).await,
        Command::Reopen { repo, number } => people::reopen(shared, At { repo: &repo, number }).await,
        Command::Settle {} => {
            shared.hooks.settle().await;
            Ok(json!({}))
        }
        command => run_at_once(shared, command),
    }
}

/// Carries out what takes no time.
fn run_at_once(shared: &Shared, command: Command) -> Result<Value> {
    match command {
        Command::Close { repo, number, merged } => people::close(shared, At { repo: &repo, number }, merged),
        Command::Draft { repo, number, draft } => people::draft(shared, At { repo: &repo, number }, draft),
        Command::Label { repo, number, label, by, remove } => {
            people::label(shared, At { repo: &repo, number }, &label, &by, remove)
        }
        Command::Comment { repo, number, by, text } => {
            people::comment(shared, At { repo: &repo, number }, &by, &text)
        }
        Command::Hooks(options) => {
            shared.hooks.set(options);
            Ok(json!({}))
        }
        Command::Redeliver { id } => shared.hooks.redeliver(&id).map(|()| json!({})),
        Command::Deliveries {} => Ok(shared.hooks.deliveries()),
        command => shared.world().run(command),
    }
}

impl World {
    /// Carries out what changes or shows the world only.
    fn run(&mut self, command: Command) -> Result<Value> {
        match command {
            Command::Archive { repo } => self.repo_mut(&repo)?.is_archived = true,
            Command::SetRole { repo, user, role } => {
                self.repo_mut(&repo)?.roles.insert(user.to_ascii_lowercase(), role);
            }
            Command::PersonalToken { user, permissions } => return Ok(self.personal_token(user, permissions)),
            Command::Grant { permissions } => self.granted = permissions,
            Command::RevokeTokens {} => self.tokens.retain(|_, grant| matches!(grant.who, Who::Person(_))),
            Command::DeleteComment { id } => {
                self.comments.get_mut(&id).context("there is no such comment")?.is_deleted = true;
            }
            Command::Fault { method, path, times, kind } => self.faults.add(method, path, times, kind),
            Command::ClearFaults {} => self.faults.clear(),
            Command::LimitCalls { remaining } => {
                let reset = self.clock.now().as_second() + 3600;
                let everybody =
                    [Who::App].into_iter().chain(self.tokens.values().map(|grant| grant.who.clone()));
                self.limits = everybody.map(|who| (who, Limit { remaining, reset })).collect();
            }
            Command::Advance { seconds } => self.clock.advance(seconds),
            Command::Calls {} => return Ok(json!(self.calls)),
            Command::Comments { repo, number } => return Ok(self.shown_comments(&repo, number)),
            Command::Deployments { repo } => return Ok(self.shown_deployments(&repo)),
            other => anyhow::bail!("{other:?} is carried out elsewhere"),
        }
        Ok(json!({}))
    }

    fn personal_token(&mut self, user: String, permissions: BTreeMap<String, String>) -> Value {
        let token = self.fresh_token("github_pat");
        let grant = Grant { who: Who::Person(user), permissions, repositories: None, expires: None };
        self.tokens.insert(token.clone(), grant);
        json!({ "token": token })
    }

    fn shown_comments(&self, repo: &str, number: u32) -> Value {
        let here = self
            .comments
            .values()
            .filter(|one| one.repo == repo.to_ascii_lowercase() && one.number == number);
        here.map(|one| {
            let reaction = |(by, content): &(String, String)| json!({ "by": by, "content": content });
            json!({
                "id": one.id,
                "by": one.by,
                "texts": one.texts,
                "reactions": one.reactions.iter().map(reaction).collect::<Vec<_>>(),
                "deleted": one.is_deleted,
            })
        })
        .collect()
    }

    fn shown_deployments(&self, repo: &str) -> Value {
        let here = self.deployments.values().filter(|one| one.repo == repo.to_ascii_lowercase());
        here.map(|one| {
            json!({
                "id": one.id,
                "sha": one.sha,
                "environment": one.environment(),
                "deleted": one.is_deleted,
                "asked": one.asked,
                "statuses": one.statuses,
            })
        })
        .collect()
    }
}
