//! Repositories over HTTP, through git's own http-backend.

use std::process::Stdio;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request::Parts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::command::Role;
use crate::grants::{Grant, Who};
use crate::{Shared, people};

/// The repository of a path such as `/acme/site.git/info/refs`, and the rest.
pub(crate) fn repository(path: &str) -> Option<(String, &str)> {
    let (repo, rest) = path.strip_prefix('/')?.split_once(".git/")?;
    (repo.split('/').count() == 2 && !path.contains("..")).then(|| (repo.to_owned(), rest))
}

pub(crate) async fn answer(shared: &Shared, head: &Parts, body: Bytes) -> Response<Body> {
    let Some((repo, rest)) = repository(head.uri.path()) else {
        return plain(StatusCode::NOT_FOUND, "Not Found");
    };
    let query = head.uri.query().unwrap_or_default();
    let is_push = rest == "git-receive-pack" || query.contains("service=git-receive-pack");
    let name = match enter(shared, &repo, &head.headers, is_push) {
        Ok(name) => name,
        Err(refusal) => return *refusal,
    };
    let answer = match backend(shared, head, &name, rest, body).await {
        Ok(answer) => answer,
        Err(error) => return plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}")),
    };
    if rest == "git-receive-pack"
        && let Err(error) = people::follow(shared, &name).await
    {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:#}"));
    }
    answer
}

/// Lets somebody in, to the repository's folder; refuses as GitHub does.
fn enter(
    shared: &Shared,
    repo: &str,
    headers: &HeaderMap,
    is_push: bool,
) -> Result<String, Box<Response<Body>>> {
    let world = shared.world();
    let password = password(headers);
    let grant = password.as_deref().and_then(|token| world.grant(token));
    let ask = || {
        let mut answer = plain(StatusCode::UNAUTHORIZED, "Repository not found.");
        let basic = HeaderValue::from_static("Basic realm=\"GitHub\"");
        answer.headers_mut().insert("www-authenticate", basic);
        Box::new(answer)
    };
    if password.is_some() && grant.is_none() {
        return Err(ask());
    }
    let found = world.repos.get(&repo.to_ascii_lowercase());
    let may_read = found.is_some_and(|found| {
        !found.is_private
            || grant.as_ref().is_some_and(|grant| covers(grant, found) && grant.has("contents", "read"))
    });
    let Some(found) = found.filter(|_| may_read) else {
        let refusal = if grant.is_none() {
            ask()
        } else {
            Box::new(plain(StatusCode::NOT_FOUND, "Repository not found."))
        };
        return Err(refusal);
    };
    let may_push = grant.as_ref().is_some_and(|grant| covers(grant, found) && grant.has("contents", "write"));
    match (is_push, may_push, grant) {
        (true, false, None) => Err(ask()),
        (true, false, Some(_)) => {
            Err(Box::new(plain(StatusCode::FORBIDDEN, "Write access to repository not granted.")))
        }
        _ => Ok(found.key()),
    }
}

fn covers(grant: &Grant, repo: &crate::world::Repo) -> bool {
    let is_person_out = matches!(&grant.who, Who::Person(login) if repo.role(login) < Role::Read);
    !is_person_out && grant.repositories.as_ref().is_none_or(|all| all.contains(&repo.key()))
}

fn password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

async fn backend(
    shared: &Shared,
    head: &Parts,
    repo: &str,
    rest: &str,
    body: Bytes,
) -> Result<Response<Body>> {
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut child = Command::new(shared.git.programs.join("git-http-backend"))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_PROJECT_ROOT", shared.git.root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", format!("/{repo}.git/{rest}"))
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start git's http-backend")?;
    let mut stdin = child.stdin.take().context("it has an input")?;
    // Both at once: with much to say it stops reading until somebody listens.
    let write = tokio::spawn(async move {
        let _ = stdin.write_all(&body).await;
    });
    let output = child.wait_with_output().await?;
    write.await?;
    response(&output.stdout)
}

/// What a CGI program says, as an answer.
fn response(said: &[u8]) -> Result<Response<Body>> {
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").context("its headers end")?;
    let mut response = Response::new(Body::from(said[end + 4..].to_vec()));
    for line in std::str::from_utf8(&said[..end])?.split("\r\n") {
        let (name, value) = line.split_once(": ").context("a header has a value")?;
        if name == "Status" {
            let code = value.split(' ').next().unwrap_or_default();
            *response.status_mut() = code.parse().context("a status")?;
        } else {
            response.headers_mut().append(name.parse::<HeaderName>()?, HeaderValue::from_str(value)?);
        }
    }
    Ok(response)
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response
}
