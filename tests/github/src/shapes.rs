//! What GitHub's objects look like in answers and in payloads.

use serde_json::{Value, json};

use crate::world::{Comment, Deployment, Pull, Repo, World};

pub(crate) fn user(login: &str) -> Value {
    let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
    let id =
        login.bytes().fold(7_u64, |id, byte| id.wrapping_mul(31).wrapping_add(byte.into()) % 100_000_007);
    json!({ "login": login, "id": id, "type": kind, "site_admin": false })
}

pub(crate) fn repo(repo: &Repo, base: &str) -> Value {
    json!({
        "id": repo.id,
        "name": repo.name(),
        "full_name": repo.full_name,
        "private": repo.is_private,
        "owner": user(repo.owner()),
        "fork": repo.is_fork,
        "archived": repo.is_archived,
        "disabled": false,
        "default_branch": "main",
        "url": format!("{base}/repos/{}", repo.full_name),
        "clone_url": format!("{base}/{}.git", repo.full_name),
    })
}

/// A pull request; in lists `merged` is not told.
pub(crate) fn pull(world: &World, to: &Repo, pull: &Pull, base: &str, is_listed: bool) -> Value {
    let from = world.repos.get(&pull.from.to_ascii_lowercase());
    let head_owner = pull.from.split_once('/').map_or("", |(owner, _)| owner);
    let labels: Vec<Value> =
        pull.labels.iter().map(|name| json!({ "id": 1, "name": name, "color": "ededed" })).collect();
    let mut shape = json!({
        "id": pull.id,
        "number": pull.number,
        "state": if pull.is_open { "open" } else { "closed" },
        "locked": false,
        "title": format!("Pull request {}", pull.number),
        "draft": pull.is_draft,
        "merged_at": pull.merged_at,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "user": user(&pull.author),
        "labels": labels,
        "head": {
            "label": format!("{head_owner}:{}", pull.branch),
            "ref": pull.branch,
            "sha": pull.sha,
            "user": user(head_owner),
            "repo": from.map(|from| repo(from, base)),
        },
        "base": { "label": format!("{}:main", to.owner()), "ref": "main", "sha": "0".repeat(40), "repo": repo(to, base) },
    });
    if !is_listed {
        shape["merged"] = pull.merged_at.is_some().into();
    }
    shape
}

/// Everybody is said to own the place: who believes a payload in this is found
/// out.
pub(crate) fn comment(comment: &Comment) -> Value {
    let (user, body) = (user(&comment.by), comment.texts.last());
    json!({ "id": comment.id, "user": user, "body": body, "author_association": "OWNER" })
}

pub(crate) fn deployment(deployment: &Deployment) -> Value {
    json!({
        "id": deployment.id,
        "sha": deployment.sha,
        "ref": deployment.asked["ref"],
        "task": "deploy",
        "environment": deployment.environment(),
        "transient_environment": deployment.asked["transient_environment"],
        "creator": user(&deployment.by),
    })
}
