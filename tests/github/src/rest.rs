//! GitHub's side: the REST calls that Berth makes, and git.

mod app;
mod comments;
mod deployments;
mod pulls;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};
use ring::digest;
use serde_json::{Value, json};

use crate::answer::{self, Answer, Reply, forbidden, not_found};
use crate::command::FaultKind;
use crate::grants::{Caller, Who};
use crate::world::{CALLS_PER_HOUR, Limit, World};
use crate::{Shared, http_backend};

const BODY_MAX: usize = 512 << 20;

/// A call, taken apart.
pub(crate) struct Call<'a> {
    pub(crate) base: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: Value,
}

pub(crate) fn app(shared: Shared) -> Router {
    Router::new().fallback(receive).with_state(shared)
}

async fn receive(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else { return answer::status(400).send() };
    if http_backend::repository(head.uri.path()).is_some() {
        return http_backend::answer(&shared, &head, body).await;
    }
    let fault = shared.world().faults.take(head.method.as_str(), head.uri.path());
    if let Some(FaultKind::Slow(milliseconds)) = fault {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let answer = rest(&shared, &head, &body, fault.as_ref());
    if let Some(FaultKind::Malformed) = fault {
        let text = answer.body.to_string();
        return Response::new(Body::from(text[..text.len() / 2].to_owned()));
    }
    answer.send()
}

fn rest(shared: &Shared, head: &Parts, body: &Bytes, fault: Option<&FaultKind>) -> Answer {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let bearer = bearer(&head.headers);
    let mut told = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query().unwrap_or_default(),
        "body": body,
    });
    let (who, answer) = {
        let mut world = shared.world();
        let caller = world.caller(bearer);
        let who = caller.as_ref().ok().map(Caller::who);
        let call = Call { base: &shared.base, query: head.uri.query().unwrap_or_default(), body };
        let answer = match fault {
            Some(fault @ (FaultKind::Status(_) | FaultKind::SecondaryLimit(_) | FaultKind::Redirect(_))) => {
                planned(fault)
            }
            _ => either(caller.and_then(|caller| world.answer(&caller, head, &call))),
        };
        (who, answer)
    };
    let mut answer = if matches!(fault, Some(FaultKind::LostAnswer)) { answer::status(502) } else { answer };
    if head.method == "GET" && answer.status == StatusCode::OK {
        answer = tagged(answer, &head.headers);
    }
    let mut world = shared.world();
    if let Some(who) = &who {
        answer = world.counted(who, answer);
    }
    told["who"] = who.map_or(Value::Null, |who| who.shown().into());
    told["status"] = answer.status.as_u16().into();
    world.calls.push(told);
    answer
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("token "))
}

fn either(reply: Reply) -> Answer {
    reply.unwrap_or_else(|refusal| refusal)
}

fn planned(fault: &FaultKind) -> Answer {
    match fault {
        FaultKind::Status(status) => answer::status(*status),
        FaultKind::Redirect(to) => answer::status(301).with("location", to.as_str()),
        FaultKind::SecondaryLimit(after) => {
            let refusal = forbidden(
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            );
            match after {
                Some(seconds) => refusal.with("retry-after", seconds.to_string()),
                None => refusal,
            }
        }
        FaultKind::LostAnswer | FaultKind::Slow(_) | FaultKind::Malformed => answer::status(500),
    }
}

/// With its tag; without its body when the caller has it already.
fn tagged(answer: Answer, headers: &HeaderMap) -> Answer {
    let hash = digest::digest(&digest::SHA256, answer.body.to_string().as_bytes());
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("W/\"{hex}\"");
    let is_known = headers.get("if-none-match").and_then(|value| value.to_str().ok()) == Some(tag.as_str());
    let mut answer = if is_known {
        Answer { status: StatusCode::NOT_MODIFIED, body: Value::Null, ..answer }
    } else {
        answer
    };
    answer.headers.push((axum::http::header::ETAG, tag));
    answer
}

impl World {
    fn answer(&mut self, caller: &Caller, head: &Parts, call: &Call<'_>) -> Reply {
        if !head.headers.contains_key("user-agent") {
            return Err(forbidden(
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
            ));
        }
        self.check_limit(&caller.who())?;
        let path = head.uri.path().replace("%5B", "[").replace("%5D", "]");
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let method = head.method.as_str();
        match (method, parts.as_slice()) {
            (_, ["app" | "user" | "installation", ..]) => self.app(caller, (method, &parts), call),
            ("GET", ["repos", owner, name, "installation"]) => {
                caller.as_app()?;
                self.installation_for(&format!("{owner}/{name}"))
            }
            (_, ["repos", owner, name, rest @ ..]) => {
                let repo = format!("{owner}/{name}");
                let grant = caller.as_token()?;
                match rest {
                    [] | ["pulls" | "collaborators", ..] => self.pulls(grant, &repo, (method, rest), call),
                    ["issues", ..] => self.issues(grant, &repo, (method, rest), call),
                    ["deployments", ..] => self.deployments(grant, &repo, (method, rest), call),
                    _ => Err(not_found()),
                }
            }
            _ => Err(not_found()),
        }
    }

    fn check_limit(&mut self, who: &Who) -> Result<(), Answer> {
        let now = self.clock.now().as_second();
        let limit =
            self.limits.entry(who.clone()).or_insert(Limit { remaining: CALLS_PER_HOUR, reset: now + 3600 });
        if limit.reset <= now {
            *limit = Limit { remaining: CALLS_PER_HOUR, reset: now + 3600 };
        }
        if limit.remaining == 0 {
            return Err(forbidden(&format!("API rate limit exceeded for {}.", who.shown())));
        }
        Ok(())
    }

    /// Counts a call, and tells what is left. What has not changed is free.
    fn counted(&mut self, who: &Who, answer: Answer) -> Answer {
        let Some(limit) = self.limits.get_mut(who) else { return answer };
        if answer.status != StatusCode::NOT_MODIFIED {
            limit.remaining = limit.remaining.saturating_sub(1);
        }
        answer
            .with("x-ratelimit-limit", CALLS_PER_HOUR.to_string())
            .with("x-ratelimit-remaining", limit.remaining.to_string())
            .with("x-ratelimit-used", CALLS_PER_HOUR.saturating_sub(limit.remaining).to_string())
            .with("x-ratelimit-reset", limit.reset.to_string())
            .with("x-ratelimit-resource", "core")
    }
}

impl Call<'_> {
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()?;
        Some(value.replace("%2F", "/"))
    }

    /// The page of a list that is asked for, with the links to others.
    #[expect(clippy::unnecessary_wraps, reason = "refusals stand beside it")]
    pub(crate) fn page(
        &self,
        path: &str,
        all: Vec<Value>,
        wrap: impl FnOnce(Vec<Value>, usize) -> Value,
    ) -> Reply {
        let number = |name| self.parameter(name).and_then(|value| value.parse::<usize>().ok());
        let size = number("per_page").unwrap_or(30).clamp(1, 100);
        let page = number("page").unwrap_or(1).max(1);
        let (total, pages) = (all.len(), all.len().div_ceil(size).max(1));
        let shown: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
        let link = |to: usize, relation| {
            format!("<{}{path}?per_page={size}&page={to}>; rel=\"{relation}\"", self.base)
        };
        let answer = Answer::new(StatusCode::OK, wrap(shown, total));
        if page < pages {
            return Ok(answer.with("link", [link(page + 1, "next"), link(pages, "last")].join(", ")));
        }
        Ok(if page > 1 { answer.with("link", link(1, "first")) } else { answer })
    }
}

/// A page as a bare list.
pub(crate) fn bare(shown: Vec<Value>, _total: usize) -> Value {
    Value::Array(shown)
}
