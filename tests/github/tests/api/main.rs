//! Berth's client against the double: each of them keeps the other honest.

mod bed;
mod comments;
mod credentials;
mod deployments;
mod failures;
mod git;
mod limits;
mod pulls;
mod webhooks;
