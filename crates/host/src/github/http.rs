//! One call: sent with a bearer, bounded in time and size, its failures told
//! apart.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::debug;

use super::limits::{Gates, Holder};
use super::real::GitHubOptions;
use super::{ApiBase, GitHubError};
use crate::printable::printable_line;

/// The largest answer that is read: a hundred pull requests have 3 MB.
const ANSWER_MAX: usize = 32 << 20;
/// How often a call that may be repeated is sent.
const ATTEMPTS: u32 = 3;
const CONNECT: Duration = Duration::from_secs(10);

/// A call.
pub(super) struct Call {
    method: Method,
    /// With a slash in front, and the query.
    path: String,
    body: Option<Value>,
    /// Of an answer that is known already.
    etag: Option<HeaderValue>,
    /// What it is about, for messages, such as "pull request 7".
    pub(super) what: String,
    is_repeatable: bool,
}

impl Call {
    /// A call without a body. Such a call can be repeated.
    pub(super) fn new(method: Method, path: String, what: impl Into<String>) -> Self {
        Self { method, path, body: None, etag: None, what: what.into(), is_repeatable: true }
    }

    pub(super) fn get(path: String, what: impl Into<String>) -> Self {
        Self::new(Method::GET, path, what)
    }

    /// A call that makes something: sent twice, it could make two.
    pub(super) fn post(path: String, body: Value, what: impl Into<String>) -> Self {
        Self { body: Some(body), is_repeatable: false, ..Self::new(Method::POST, path, what) }
    }

    pub(super) fn patch(path: String, body: Value, what: impl Into<String>) -> Self {
        Self { body: Some(body), ..Self::new(Method::PATCH, path, what) }
    }

    /// Sent twice, it does no harm.
    pub(super) fn repeatable(self) -> Self {
        Self { is_repeatable: true, ..self }
    }

    /// Asks only for what has changed.
    pub(super) fn unless(self, etag: Option<HeaderValue>) -> Self {
        Self { etag, ..self }
    }
}

/// An answer with a status of success, or "not modified".
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
    what: String,
}

impl Answer {
    /// The answer as this.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, GitHubError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Not the error's own words: they repeat values, and one may be a token.
            let (line, column) = (error.line(), error.column());
            form(&self.what, format!("it has not the expected form at line {line}, column {column}"))
        })
    }
}

pub(super) fn form(what: &str, problem: impl Into<String>) -> GitHubError {
    GitHubError::Form { what: what.to_owned(), problem: problem.into() }
}

/// What sends calls.
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    options: GitHubOptions,
    gates: Gates,
}

impl Http {
    pub(super) fn new(options: GitHubOptions) -> Result<Self, GitHubError> {
        let tls = tls(&options.base)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let builder = if options.base.is_https() { builder.https_only() } else { builder.https_or_http() };
        let connector = builder.enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Ok(Self { client, options, gates: Gates::default() })
    }

    /// What time it is.
    pub(super) fn now(&self) -> jiff::Timestamp {
        (self.options.now)()
    }

    /// Sends a call, again after a failure of the way or of the server if it
    /// may be repeated. Sends none while the holder has to wait.
    pub(super) async fn send(
        &self,
        holder: Holder,
        bearer: &SecretString,
        call: &Call,
    ) -> Result<Answer, GitHubError> {
        let mut attempt = 1;
        loop {
            if let Some(until) = self.gates.closed_until(holder, self.now()) {
                return Err(GitHubError::RateLimited { until });
            }
            match self.send_once(holder, bearer, call).await {
                Err(error) if attempt < ATTEMPTS && may_repeat(call, &error) => {
                    debug!(what = call.what, attempt, "GitHub is asked again");
                    tokio::time::sleep(self.options.pause * 4_u32.pow(attempt - 1)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn send_once(
        &self,
        holder: Holder,
        bearer: &SecretString,
        call: &Call,
    ) -> Result<Answer, GitHubError> {
        let request = self.request(bearer, call)?;
        let answer = tokio::time::timeout(self.options.timeout, self.answer(request, call)).await;
        let slow = |_| GitHubError::Slow {
            base: self.options.base.clone(),
            what: call.what.clone(),
            seconds: self.options.timeout.as_secs(),
        };
        let (status, headers, body) = answer.map_err(slow)??;
        let said = said(&body);
        if let Some(until) = self.gates.learn(holder, (status, &headers, &said), self.now()) {
            return Err(GitHubError::RateLimited { until });
        }
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status, headers, body, what: call.what.clone() });
        }
        Err(failure(call, status, &headers, said))
    }

    fn request(&self, bearer: &SecretString, call: &Call) -> Result<Request<Full<Bytes>>, GitHubError> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", bearer.expose_secret()))
            .map_err(|_| GitHubError::Token)?;
        authorization.set_sensitive(true);
        let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.options.base, call.path))
            .header(USER_AGENT, concat!("berth/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .header(AUTHORIZATION, authorization);
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(etag) = &call.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        request.body(Full::from(body)).map_err(|error| self.unreachable(call, error))
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        call: &Call,
    ) -> Result<(StatusCode, HeaderMap, Bytes), GitHubError> {
        let answer: Response<Incoming> =
            self.client.request(request).await.map_err(|error| self.unreachable(call, error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|source| self.unreachable(call, source))?;
        Ok((head.status, head.headers, body.to_bytes()))
    }

    fn unreachable(
        &self,
        call: &Call,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> GitHubError {
        let base = self.options.base.clone();
        GitHubError::Unreachable { base, what: call.what.clone(), source: source.into() }
    }
}

/// TLS with ring and the system's certificates. Without TLS they are not read:
/// a test host has none.
fn tls(base: &ApiBase) -> Result<ClientConfig, GitHubError> {
    use hyper_rustls::ConfigBuilderExt as _;
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions of TLS");
    let builder = if base.is_https() {
        let certificates = |source| GitHubError::Certificates { base: base.clone(), source };
        builder.with_native_roots().map_err(certificates)?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

/// Whether it can do no harm to send the call again, and may help.
fn may_repeat(call: &Call, error: &GitHubError) -> bool {
    let was_sent = match error {
        GitHubError::Unreachable { source, .. } => !is_before_sending(source.as_ref()),
        GitHubError::Slow { .. } | GitHubError::Failing { .. } => true,
        GitHubError::NotFound { .. }
        | GitHubError::NotInstalled { .. }
        | GitHubError::Unauthorized { .. }
        | GitHubError::Forbidden { .. }
        | GitHubError::RateLimited { .. }
        | GitHubError::Validation { .. }
        | GitHubError::Moved { .. }
        | GitHubError::Form { .. }
        | GitHubError::Key(_)
        | GitHubError::Token
        | GitHubError::Certificates { .. } => return false,
    };
    call.is_repeatable || !was_sent
}

fn is_before_sending(source: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    source.downcast_ref::<Error>().is_some_and(Error::is_connect)
}

fn failure(call: &Call, status: StatusCode, headers: &HeaderMap, said: String) -> GitHubError {
    let what = call.what.clone();
    match status {
        StatusCode::UNAUTHORIZED => GitHubError::Unauthorized { what, said },
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            GitHubError::Forbidden { what, needs: needs(headers), said }
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => GitHubError::NotFound { what, hint: hint(&said) },
        status if status.is_redirection() => GitHubError::Moved { what, to: location(headers) },
        status if status.is_client_error() => GitHubError::Validation { what, said },
        status => GitHubError::Failing { what, status: status.as_u16() },
    }
}

fn hint(said: &str) -> &'static str {
    if said.ends_with(super::answers::NO_USER) {
        return super::answers::NO_USER;
    }
    "check its name, and whether the App is installed for it or the token may read it"
}

/// The permission that GitHub says is missing: of an App and of a fine-grained
/// token in one header, of a classic token in the other.
fn needs(headers: &HeaderMap) -> Option<String> {
    ["x-accepted-github-permissions", "x-accepted-oauth-scopes"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .find(|value| !value.trim().is_empty())
        .map(shown)
}

fn location(headers: &HeaderMap) -> String {
    shown(headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("an unknown place"))
}

/// GitHub's own words for a failure, with what it names as wrong.
fn said(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut said = value["message"].as_str().unwrap_or("it says nothing more").to_owned();
    for error in value["errors"].as_array().into_iter().flatten() {
        let words = ["message", "resource", "field", "code"].iter().filter_map(|key| error[*key].as_str());
        let words = error.as_str().into_iter().chain(words).collect::<Vec<_>>().join(" ");
        said = format!("{said}; {words}");
    }
    shown(&said)
}

fn shown(text: &str) -> String {
    printable_line(&text.chars().take(300).collect::<String>())
}
