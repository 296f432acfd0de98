//! End-to-end tests of Berth on the test host; the tests are in `tests/`.
//!
//! This library lets them read as sentences: an [`Agent`] is there from its
//! creation to the end of the test, a [`BerthHost`] is a host of one test
//! alone, [`agent`] is the program itself, [`sql`] changes records behind its
//! back, and [`text`] takes out of outputs what differs between two runs. A
//! [`PreviewHost`] has what previews need, with repositories on a [`Forge`]; a
//! [`Preview`] is there to the end of its test too.
//!
//! Tests share one host and run at the same time. So every name of an agent
//! begins with the name of its test, and what disturbs others (configuration,
//! garbage collection, a reboot) needs a [`BerthHost`].

mod agent;
mod berth_host;
mod destroyed;
mod forge;
mod github;
mod journal;
mod people;
mod preview;
mod preview_host;
mod pull_host;
mod secrets;
mod sql;
pub mod text;
mod victims;
mod web;

pub use berth_github_double as double;
pub use berth_testhost::{HostCommand, Output, Running, TestHost, wait_until};
pub use rustix::process::Signal;
pub use serde_json::Value;

pub use self::agent::{Agent, agent, agent_as, agent_on_a_terminal, json, state_of};
pub use self::berth_host::BerthHost;
pub use self::forge::{Files, Forge, Repository, fixture};
pub use self::github::{BERTH, GitHub, MEMBER, PullRequest};
pub use self::journal::JournalMark;
pub use self::people::{Known, People};
pub use self::preview::{Preview, preview};
pub use self::preview_host::{Caddy, PreviewHost, SharedPreviewHost};
pub use self::pull_host::{PATIENCE, PullHost, SharedPullHost, WEBHOOK_SECRET, follow_pulls};
pub use self::secrets::{Sampler, places_with, places_with_any};
pub use self::sql::sql;
pub use self::victims::{Victim, Victims};
pub use self::web::{Answer, Load, Seen};
