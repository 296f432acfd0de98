//! What people on GitHub do to pull requests, with the events that follow.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::world::Pull;
use crate::{Shared, shapes};

/// Which pull request.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) repo: &'a str,
    pub(crate) number: u32,
}

/// What opens a pull request.
pub(crate) struct Opening<'a> {
    pub(crate) repo: &'a str,
    pub(crate) from: &'a str,
    pub(crate) branch: &'a str,
    pub(crate) by: &'a str,
    pub(crate) draft: bool,
}

pub(crate) async fn open(shared: &Shared, opening: &Opening<'_>) -> Result<Value> {
    let number = add(shared, opening).await?;
    let at = At { repo: opening.repo, number };
    tell(shared, at, "opened", opening.by, &json!({}))?;
    let sha = shared.world().pull_mut(at.repo, number)?.sha.clone();
    Ok(json!({ "number": number, "sha": sha }))
}

pub(crate) async fn open_many(shared: &Shared, repo: &str, branch: &str, count: u32) -> Result<Value> {
    let mut numbers = Vec::new();
    let opening = Opening { repo, from: repo, branch, by: "ada", draft: false };
    let first = add(shared, &opening).await?;
    numbers.push(first);
    let mut world = shared.world();
    let pattern = world.pull_mut(repo, first)?.clone();
    for number in first + 1..first + count {
        let id = world.next_id();
        world.repo_mut(repo)?.pulls.insert(number, Pull { id, number, ..pattern.clone() });
        numbers.push(number);
    }
    Ok(json!({ "numbers": numbers }))
}

async fn add(shared: &Shared, opening: &Opening<'_>) -> Result<u32> {
    let number = {
        let mut world = shared.world();
        world.repo(opening.from)?;
        // Taken at once: two may be opened at the same time.
        let id = world.next_id();
        let created_at = world.now();
        let from = world.repo(opening.from)?.full_name.clone();
        let repo = world.repo_mut(opening.repo)?;
        let number = repo.pulls.keys().next_back().map_or(1, |last| last + 1);
        let pull = Pull {
            id,
            number,
            is_open: false,
            merged_at: None,
            is_draft: opening.draft,
            author: opening.by.to_owned(),
            labels: std::collections::BTreeSet::new(),
            from,
            branch: opening.branch.to_owned(),
            sha: String::new(),
            updated_at: created_at.clone(),
            created_at,
        };
        repo.pulls.insert(number, pull);
        number
    };
    match shared.git.set_pull(opening.repo, number, opening.from, opening.branch).await {
        Ok(sha) => {
            let mut world = shared.world();
            let pull = world.pull_mut(opening.repo, number)?;
            (pull.sha, pull.is_open) = (sha, true);
            Ok(number)
        }
        Err(error) => {
            shared.world().repo_mut(opening.repo)?.pulls.remove(&number);
            Err(error)
        }
    }
}

/// Lets the pull requests from a repository follow what was pushed there.
pub(crate) async fn follow(shared: &Shared, from: &str) -> Result<()> {
    let open: Vec<(String, u32, String, String)> = {
        let world = shared.world();
        let all = world.repos.values().flat_map(|repo| repo.pulls.values().map(|pull| (repo.key(), pull)));
        all.filter(|(_, pull)| pull.is_open && pull.from.eq_ignore_ascii_case(from))
            .map(|(repo, pull)| (repo, pull.number, pull.branch.clone(), pull.sha.clone()))
            .collect()
    };
    if open.is_empty() {
        return Ok(());
    }
    let heads = shared.git.branches(from).await?;
    for (repo, number, branch, before) in open {
        if heads.get(&branch).is_some_and(|now| *now != before) {
            let after = shared.git.set_pull(&repo, number, from, &branch).await?;
            shared.world().pull_mut(&repo, number)?.sha.clone_from(&after);
            let by = from.split_once('/').map_or(from, |(owner, _)| owner);
            tell(
                shared,
                At { repo: &repo, number },
                "synchronize",
                by,
                &json!({ "before": before, "after": after }),
            )?;
        }
    }
    Ok(())
}

pub(crate) fn close(shared: &Shared, at: At<'_>, is_merged: bool) -> Result<Value> {
    let by = {
        let mut world = shared.world();
        let now = world.now();
        let pull = world.pull_mut(at.repo, at.number)?;
        pull.is_open = false;
        pull.merged_at = is_merged.then_some(now);
        pull.author.clone()
    };
    tell(shared, at, "closed", &by, &json!({}))
}

pub(crate) async fn reopen(shared: &Shared, at: At<'_>) -> Result<Value> {
    let (from, branch, by) = {
        let mut world = shared.world();
        let pull = world.pull_mut(at.repo, at.number)?;
        (pull.from.clone(), pull.branch.clone(), pull.author.clone())
    };
    let sha = shared.git.set_pull(at.repo, at.number, &from, &branch).await?;
    {
        let mut world = shared.world();
        let pull = world.pull_mut(at.repo, at.number)?;
        (pull.is_open, pull.sha) = (true, sha);
    }
    tell(shared, at, "reopened", &by, &json!({}))
}

pub(crate) fn draft(shared: &Shared, at: At<'_>, is_draft: bool) -> Result<Value> {
    let by = {
        let mut world = shared.world();
        let pull = world.pull_mut(at.repo, at.number)?;
        pull.is_draft = is_draft;
        pull.author.clone()
    };
    let action = if is_draft { "converted_to_draft" } else { "ready_for_review" };
    tell(shared, at, action, &by, &json!({}))
}

pub(crate) fn label(shared: &Shared, at: At<'_>, label: &str, by: &str, is_removed: bool) -> Result<Value> {
    {
        let mut world = shared.world();
        let labels = &mut world.pull_mut(at.repo, at.number)?.labels;
        if is_removed {
            labels.remove(label);
        } else {
            labels.insert(label.to_owned());
        }
    }
    let action = if is_removed { "unlabeled" } else { "labeled" };
    tell(shared, at, action, by, &json!({ "label": { "name": label } }))
}

/// A comment of anybody's, Berth's too: GitHub tells of both.
pub(crate) fn comment(shared: &Shared, at: At<'_>, by: &str, text: &str) -> Result<Value> {
    let mut world = shared.world();
    world.pull_mut(at.repo, at.number)?;
    let id = world.add_comment(at.repo, at.number, by, text);
    let repo = world.repo(at.repo)?;
    let pull = &repo.pulls[&at.number];
    let payload = json!({
        "action": "created",
        "issue": {
            "number": at.number,
            "state": if pull.is_open { "open" } else { "closed" },
            "user": shapes::user(&pull.author),
            "pull_request": { "url": format!("{}/repos/{}/pulls/{}", shared.base, repo.full_name, at.number) },
        },
        "comment": shapes::comment(&world.comments[&id]),
        "repository": shapes::repo(repo, &shared.base),
        "sender": shapes::user(by),
    });
    let told = json!({ "action": "created", "repo": repo.key(), "number": at.number });
    shared.hooks.happen("issue_comment", &payload, told);
    Ok(json!({ "id": id }))
}

/// Sends the event of a pull request.
fn tell(shared: &Shared, at: At<'_>, action: &str, by: &str, more: &Value) -> Result<Value> {
    let world = shared.world();
    let repo = world.repo(at.repo)?;
    let pull = repo.pulls.get(&at.number).context("it is there")?;
    let mut payload = json!({
        "action": action,
        "number": at.number,
        "pull_request": shapes::pull(&world, repo, pull, &shared.base, false),
        "repository": shapes::repo(repo, &shared.base),
        "sender": shapes::user(by),
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        payload[key.as_str()] = value.clone();
    }
    let told = json!({ "action": action, "repo": repo.key(), "number": at.number, "sha": pull.sha });
    shared.hooks.happen("pull_request", &payload, told);
    Ok(json!({}))
}
