//! Decisions and data of Berth, free of effects.
//!
//! Nothing here starts a process, opens a socket, reads a clock or the
//! environment: time, randomness and what the host looks like are arguments.
//! That makes each decision a function that a test can call.
//!
//! The words are those of `docs/architecture.md`. A **berth** is a numbered
//! place for one container: its [`Slot`] names the container, the interface,
//! the unit and the addresses, so that no text of a user ever becomes the name
//! of a thing on the host. An **agent** is a sandbox that somebody works in,
//! known to people by its [`Name`]. A **closure** is a pre-built NixOS
//! system, named by its [`StorePath`].
//!
//! The way through: [`Config::parse`] → [`Slot::lowest_free`] →
//! [`plan::create`] → (the host applies it) → [`Phase::after`].

#[macro_use]
mod text_form;

pub mod closure_key;
pub mod comment;
pub mod conf_file;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod env_file;
pub mod firewall;
pub mod gpu;
pub mod guest;
pub mod lane;
pub mod layout;
pub mod limits;
pub mod meta;
pub mod name;
pub mod phase;
pub mod plan;
pub mod policy;
pub mod preview;
pub mod preview_phase;
pub mod repo;
pub mod site;
pub mod slot;
pub mod slug;
pub mod store_path;
pub mod ttl;

pub use closure_key::{ClosureKey, NarHash, NixFiles};
pub use config::Config;
pub use domain::Domain;
pub use gpu::Gpu;
pub use layout::Layout;
pub use limits::Limits;
pub use meta::Meta;
pub use name::Name;
pub use phase::{Health, Phase, Shown, UnitState, Wanted};
pub use plan::Plan;
pub use preview::PreviewId;
pub use preview_phase::PreviewPhase;
pub use repo::{BranchName, CommitSha, PullNumber, RepoName};
pub use site::CaddyFeatures;
pub use slot::{AddressPair, ContainerName, Kind, Slot, Subnet};
pub use store_path::StorePath;
pub use ttl::Ttl;
