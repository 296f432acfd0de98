//! Answers, and refusals with GitHub's own words.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// An answer that is not sent yet.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// Null is no body.
    pub(crate) body: Value,
}

/// What a call comes to: `Err` is a refusal.
pub(crate) type Reply = Result<Answer, Answer>;

impl Answer {
    pub(crate) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    pub(crate) fn send(self) -> Response<Body> {
        let body = if self.body.is_null() { Body::empty() } else { Body::from(self.body.to_string()) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

#[expect(clippy::unnecessary_wraps, reason = "refusals stand beside it")]
pub(crate) fn ok(body: Value) -> Reply {
    Ok(Answer::new(StatusCode::OK, body))
}

#[expect(clippy::unnecessary_wraps, reason = "refusals stand beside it")]
pub(crate) fn created(body: Value) -> Reply {
    Ok(Answer::new(StatusCode::CREATED, body))
}

#[expect(clippy::unnecessary_wraps, reason = "refusals stand beside it")]
pub(crate) fn no_content() -> Reply {
    Ok(Answer::new(StatusCode::NO_CONTENT, Value::Null))
}

fn refused(status: StatusCode, message: &str) -> Answer {
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.as_str() });
    Answer::new(status, body)
}

pub(crate) fn not_found() -> Answer {
    refused(StatusCode::NOT_FOUND, "Not Found")
}

pub(crate) fn no_user(user: &str) -> Answer {
    refused(StatusCode::NOT_FOUND, &format!("{user} is not a user"))
}

pub(crate) fn unauthorized(message: &str) -> Answer {
    refused(StatusCode::UNAUTHORIZED, message)
}

pub(crate) fn forbidden(message: &str) -> Answer {
    refused(StatusCode::FORBIDDEN, message)
}

pub(crate) fn conflict(message: &str) -> Answer {
    refused(StatusCode::CONFLICT, message)
}

pub(crate) fn status(status: u16) -> Answer {
    refused(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "planned by the test")
}

pub(crate) fn invalid(message: &str) -> Answer {
    refused(StatusCode::UNPROCESSABLE_ENTITY, message)
}

/// A field that is missing or wrong.
pub(crate) fn invalid_field(resource: &str, field: &str, code: &str) -> Answer {
    let mut answer = invalid("Validation Failed");
    answer.body["errors"] = json!([{ "resource": resource, "field": field, "code": code }]);
    answer
}
