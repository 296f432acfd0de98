//! Comments on pull requests, and reactions to them.

use serde_json::{Value, json};

use super::{Call, bare};
use crate::answer::{Answer, Reply, created, forbidden, invalid_field, no_content, not_found, ok};
use crate::command::Role;
use crate::grants::{Grant, Who};
use crate::shapes;
use crate::world::{APP_SLUG, Comment, World};

/// The most characters of a comment.
const TEXT_MAX: usize = 65_536;
/// What GitHub takes as a reaction.
const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

impl World {
    pub(super) fn issues(
        &mut self,
        grant: &Grant,
        repo: &str,
        (method, rest): (&str, &[&str]),
        call: &Call<'_>,
    ) -> Reply {
        let level = if method == "GET" { "read" } else { "write" };
        let found = self.permitted(grant, repo, ("pull_requests", level))?;
        let key = found.key();
        match (method, rest) {
            (_, ["issues", "comments", id]) => {
                let id = id.parse().map_err(|_| not_found())?;
                self.one_comment(grant, &key, id, method, call)
            }
            ("POST", ["issues", "comments", id, "reactions"]) => {
                let id = id.parse().map_err(|_| not_found())?;
                self.react(grant, &key, id, call)
            }
            (_, ["issues", number, "comments"]) => {
                let number = number.parse().map_err(|_| not_found())?;
                if !found.pulls.contains_key(&number) {
                    return Err(not_found());
                }
                match method {
                    "GET" => {
                        let here =
                            |one: &&Comment| one.repo == key && one.number == number && !one.is_deleted;
                        let all = self.comments.values().filter(here).map(shapes::comment).collect();
                        call.page(&format!("/repos/{key}/issues/{number}/comments"), all, bare)
                    }
                    "POST" => {
                        let text = text(call)?;
                        let id = self.add_comment(&key, number, &author(grant), &text);
                        created(shapes::comment(&self.comments[&id]))
                    }
                    _ => Err(not_found()),
                }
            }
            _ => Err(not_found()),
        }
    }

    fn one_comment(&mut self, grant: &Grant, repo: &str, id: u64, method: &str, call: &Call<'_>) -> Reply {
        let may_all = match &grant.who {
            Who::Person(login) => self.repos.get(repo).is_some_and(|repo| repo.role(login) >= Role::Write),
            Who::App | Who::Installation(_) => true,
        };
        let comment = self
            .comments
            .get_mut(&id)
            .filter(|one| one.repo == repo && !one.is_deleted)
            .ok_or_else(not_found)?;
        if method != "GET" && comment.by != author(grant) && !may_all {
            return Err(forbidden("Must have admin rights to Repository."));
        }
        match method {
            "GET" => {}
            "PATCH" => comment.texts.push(text(call)?),
            "DELETE" => {
                comment.is_deleted = true;
                return no_content();
            }
            _ => return Err(not_found()),
        }
        ok(shapes::comment(comment))
    }
}

impl World {
    /// Everybody's reaction of one kind is there once.
    fn react(&mut self, grant: &Grant, repo: &str, id: u64, call: &Call<'_>) -> Reply {
        let number = self.next_id();
        let here = |one: &&mut Comment| one.repo == repo && !one.is_deleted;
        let comment = self.comments.get_mut(&id).filter(here).ok_or_else(not_found)?;
        let content = call.body["content"].as_str().unwrap_or_default();
        if !REACTIONS.contains(&content) {
            return Err(invalid_field("Reaction", "content", "invalid"));
        }
        let by = author(grant);
        let shape = json!({ "id": number, "user": shapes::user(&by), "content": content });
        let reaction = (by, content.to_owned());
        if comment.reactions.contains(&reaction) {
            return ok(shape);
        }
        comment.reactions.push(reaction);
        created(shape)
    }
}

/// Whose account a token acts as.
pub(super) fn author(grant: &Grant) -> String {
    match &grant.who {
        Who::Person(login) => login.clone(),
        Who::App | Who::Installation(_) => format!("{APP_SLUG}[bot]"),
    }
}

fn text(call: &Call<'_>) -> Result<String, Answer> {
    let Value::String(text) = &call.body["body"] else {
        return Err(invalid_field("IssueComment", "body", "missing_field"));
    };
    if text.trim().is_empty() {
        return Err(invalid_field("IssueComment", "body", "missing"));
    }
    if text.chars().count() > TEXT_MAX {
        return Err(invalid_field("IssueComment", "body", "too_long"));
    }
    Ok(text.clone())
}
