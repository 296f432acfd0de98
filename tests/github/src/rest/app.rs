//! The App, its installations, and whose token it is.

use serde_json::{Value, json};

use super::{Call, bare};
use crate::answer::{Reply, created, forbidden, not_found, ok};
use crate::command::Role;
use crate::grants::{Caller, Who};
use crate::shapes;
use crate::world::{APP_ID, APP_SLUG, World};

impl World {
    pub(super) fn app(
        &mut self,
        caller: &Caller,
        (method, parts): (&str, &[&str]),
        call: &Call<'_>,
    ) -> Reply {
        match (method, parts) {
            ("GET", ["app"]) => {
                caller.as_app()?;
                let id: u64 = APP_ID.parse().unwrap_or_default();
                ok(json!({ "id": id, "slug": APP_SLUG, "name": APP_SLUG, "permissions": self.granted }))
            }
            ("GET", ["app", "installations"]) => {
                caller.as_app()?;
                let all =
                    self.installations.iter().map(|(owner, id)| self.installation(owner, *id)).collect();
                call.page("/app/installations", all, bare)
            }
            ("POST", ["app", "installations", id, "access_tokens"]) => {
                caller.as_app()?;
                let id = id.parse().map_err(|_| not_found())?;
                let (token, expires) = self.new_token(id, &call.body)?;
                let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                created(
                    json!({ "token": token, "expires_at": expires, "permissions": call.body["permissions"] }),
                )
            }
            ("GET", ["installation", "repositories"]) => self.installation_repositories(caller, call),
            ("GET", ["user"]) => match caller.who() {
                Who::Person(login) => ok(shapes::user(&login)),
                Who::App | Who::Installation(_) => Err(forbidden("Resource not accessible by integration")),
            },
            ("GET", ["user", "repos"]) => match caller.who() {
                Who::Person(login) => {
                    let has_role = |role: Role| role > Role::Read;
                    let own = self.repos.values().filter(|repo| has_role(repo.role(&login)));
                    call.page("/user/repos", own.map(|repo| shapes::repo(repo, call.base)).collect(), bare)
                }
                Who::App | Who::Installation(_) => Err(forbidden("Resource not accessible by integration")),
            },
            _ => Err(not_found()),
        }
    }

    fn installation_repositories(&self, caller: &Caller, call: &Call<'_>) -> Reply {
        let grant = caller.as_token()?;
        let Who::Installation(_) = grant.who else {
            return Err(forbidden(
                "You must authenticate with an installation access token in order to list repositories for an installation.",
            ));
        };
        let covered = |key: &String| grant.repositories.as_ref().is_none_or(|all| all.contains(key));
        let all = self.repos.iter().filter(|(key, _)| covered(key));
        let all = all.map(|(_, repo)| shapes::repo(repo, call.base)).collect();
        call.page("/installation/repositories", all, |shown, total| {
            json!({ "total_count": total, "repository_selection": "selected", "repositories": shown })
        })
    }

    pub(super) fn installation_for(&self, repo: &str) -> Reply {
        let found = self
            .repos
            .get(&repo.to_ascii_lowercase())
            .filter(|repo| repo.is_installed)
            .ok_or_else(not_found)?;
        let id = self.installations.get(found.owner()).ok_or_else(not_found)?;
        ok(self.installation(found.owner(), *id))
    }

    fn installation(&self, owner: &str, id: u64) -> Value {
        json!({
            "id": id,
            "account": shapes::user(owner),
            "app_slug": APP_SLUG,
            "permissions": self.granted,
            "repository_selection": "selected",
            "suspended_at": null,
        })
    }
}
