//! Repositories, pull requests and what people may do.

use serde_json::json;

use super::{Call, bare};
use crate::answer::{Reply, no_user, not_found, ok};
use crate::command::Role;
use crate::grants::Grant;
use crate::shapes;
use crate::world::World;

impl World {
    pub(super) fn pulls(
        &self,
        grant: &Grant,
        repo: &str,
        (method, rest): (&str, &[&str]),
        call: &Call<'_>,
    ) -> Reply {
        match (method, rest) {
            ("GET", []) => {
                let found = self.permitted(grant, repo, ("metadata", "read"))?;
                ok(shapes::repo(found, call.base))
            }
            ("GET", ["pulls"]) => {
                let found = self.permitted(grant, repo, ("pull_requests", "read"))?;
                let state = call.parameter("state").unwrap_or_else(|| "open".to_owned());
                let is_meant = |is_open: bool| state == "all" || (state == "open") == is_open;
                let all = found.pulls.values().filter(|pull| is_meant(pull.is_open));
                let mut all: Vec<_> =
                    all.map(|pull| shapes::pull(self, found, pull, call.base, true)).collect();
                if call.parameter("direction").as_deref() != Some("asc") {
                    all.reverse();
                }
                call.page(&format!("/repos/{repo}/pulls"), all, bare)
            }
            ("GET", ["pulls", number]) => {
                let found = self.permitted(grant, repo, ("pull_requests", "read"))?;
                let pull = number
                    .parse()
                    .ok()
                    .and_then(|number: u32| found.pulls.get(&number))
                    .ok_or_else(not_found)?;
                ok(shapes::pull(self, found, pull, call.base, false))
            }
            ("GET", ["collaborators", user, "permission"]) => {
                let found = self.permitted(grant, repo, ("metadata", "read"))?;
                if *user == "nobody" || user.ends_with("[bot]") {
                    return Err(no_user(user));
                }
                let role = found.role(user);
                ok(json!({ "permission": permission(role), "role_name": role, "user": shapes::user(user) }))
            }
            _ => Err(not_found()),
        }
    }
}

/// The four words that GitHub had before roles.
fn permission(role: Role) -> &'static str {
    match role {
        Role::None => "none",
        Role::Read | Role::Triage => "read",
        Role::Write | Role::Maintain => "write",
        Role::Admin => "admin",
    }
}
