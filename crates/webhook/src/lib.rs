//! The `preview-webhook` program: GitHub's deliveries, verified and stored.
//!
//! It is the only part of Berth that the internet talks to, and it can do next
//! to nothing: it knows the webhook's secret, writes files into one folder and
//! answers. No token, no database, no capability, no root.
//!
//! The way of a delivery: a connection within the limits (`server`) → headers,
//! raw body and signature (`signed`) → a typed event → the file, synced, under
//! its name ([`Spool`]) → 202 ([`app`]). Whatever goes wrong on the way is a
//! `Refusal` with a short public name; the rest is in the log. What the files
//! are is in [`berth_core::delivery`].

mod app;
mod body;
mod cli;
mod config;
mod limits;
mod logs;
mod metrics;
mod notify;
mod program;
mod refusal;
mod secret;
mod server;
mod signed;
mod sockets;
mod spool;
mod store;

pub use app::{State, app};
pub use limits::Limits;
pub use metrics::{Metrics, metrics_app};
pub use program::{command_line, main};
pub use server::{Server, Stopped};
pub use sockets::Listener;
pub use spool::{Bounds, Spool, SpoolError};
pub use store::{Store, StoreError, Usage};

#[cfg(test)]
mod tests;
