//! Deployments and their statuses.

use axum::http::Uri;
use serde_json::{Value, json};

use super::comments::author;
use super::{Call, bare};
use crate::answer::{Answer, Reply, conflict, created, invalid, invalid_field, no_content, not_found};
use crate::grants::Grant;
use crate::shapes;
use crate::world::{Deployment, World};

const STATES: [&str; 7] = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];

impl World {
    pub(super) fn deployments(
        &mut self,
        grant: &Grant,
        repo: &str,
        (method, rest): (&str, &[&str]),
        call: &Call<'_>,
    ) -> Reply {
        let level = if method == "GET" { "read" } else { "write" };
        let key = self.permitted(grant, repo, ("deployments", level))?.key();
        let id = |text: &str| text.parse::<u64>().map_err(|_| not_found());
        match (method, rest) {
            ("GET", ["deployments"]) => self.list_deployments(&key, call),
            ("POST", ["deployments"]) => self.make_deployment(&key, &author(grant), call),
            ("DELETE", ["deployments", one]) => self.delete_deployment(&key, id(one)?),
            ("GET", ["deployments", one, "statuses"]) => {
                let statuses = self.deployment(&key, id(one)?)?.statuses.iter().rev().cloned().collect();
                call.page(&format!("/repos/{key}/deployments/{one}/statuses"), statuses, bare)
            }
            ("POST", ["deployments", one, "statuses"]) => self.add_status(&key, id(one)?, call),
            _ => Err(not_found()),
        }
    }

    fn deployment(&mut self, repo: &str, id: u64) -> Result<&mut Deployment, Answer> {
        self.deployments.get_mut(&id).filter(|one| one.repo == repo && !one.is_deleted).ok_or_else(not_found)
    }

    fn list_deployments(&self, repo: &str, call: &Call<'_>) -> Reply {
        let is_asked = |name: &str, value: &str| call.parameter(name).is_none_or(|asked| asked == value);
        let here = self.deployments.values().rev().filter(|one| {
            one.repo == repo
                && !one.is_deleted
                && is_asked("sha", &one.sha)
                && is_asked("environment", one.environment())
        });
        call.page(&format!("/repos/{repo}/deployments"), here.map(shapes::deployment).collect(), bare)
    }

    fn make_deployment(&mut self, repo: &str, by: &str, call: &Call<'_>) -> Reply {
        let asked = call.body.clone();
        let Some(reference) = asked["ref"].as_str() else {
            return Err(invalid_field("Deployment", "ref", "missing_field"));
        };
        // Unless told otherwise, GitHub merges the default branch into the head.
        if asked["auto_merge"] != Value::Bool(false) {
            return Err(conflict("Conflict merging main into the deployed branch."));
        }
        if asked["required_contexts"].as_array().is_none_or(|contexts| !contexts.is_empty()) {
            return Err(conflict("Conflict: Commit status checks failed for the deployed branch."));
        }
        let pulls = self.repos.get(repo).map(|repo| &repo.pulls).ok_or_else(not_found)?;
        if !pulls.values().any(|pull| pull.sha == reference) {
            return Err(invalid(&format!("No ref found for: {reference}")));
        }
        let (sha, id) = (reference.to_owned(), self.next_id());
        let (repo, by) = (repo.to_owned(), by.to_owned());
        let made = Deployment { id, repo, sha, by, asked, statuses: Vec::new(), is_deleted: false };
        let shape = shapes::deployment(&made);
        self.deployments.insert(id, made);
        created(shape)
    }

    fn delete_deployment(&mut self, repo: &str, id: u64) -> Reply {
        let is_only =
            self.deployments.values().filter(|one| one.repo == repo && !one.is_deleted).count() == 1;
        let one = self.deployment(repo, id)?;
        if one.state() != "inactive" && !is_only {
            return Err(invalid(
                "We cannot delete an active deployment unless it is the only deployment in a given repository.",
            ));
        }
        one.is_deleted = true;
        no_content()
    }

    fn add_status(&mut self, repo: &str, id: u64, call: &Call<'_>) -> Reply {
        let status = check_status(&call.body)?;
        let environment = self.deployment(repo, id)?.environment().to_owned();
        if status["state"] == "success" {
            let others = self.deployments.values_mut().filter(|one| {
                one.id != id && one.repo == repo && !one.is_deleted && one.environment() == environment
            });
            for other in others.filter(|other| other.state() == "success") {
                other.statuses.push(json!({ "state": "inactive" }));
            }
        }
        self.deployment(repo, id)?.statuses.push(status.clone());
        created(status)
    }
}

fn check_status(body: &Value) -> Result<Value, Answer> {
    let field = |name, code| invalid_field("DeploymentStatus", name, code);
    let state = body["state"].as_str().ok_or_else(|| field("state", "missing_field"))?;
    if !STATES.contains(&state) {
        return Err(field("state", "custom"));
    }
    for name in ["environment_url", "log_url"] {
        let is_address = |text: &str| text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some());
        if !body[name].is_null() && !body[name].as_str().is_some_and(is_address) {
            return Err(field(name, "invalid"));
        }
    }
    if body["description"].as_str().unwrap_or_default().chars().count() > 140 {
        return Err(field("description", "too_long"));
    }
    Ok(body.clone())
}
