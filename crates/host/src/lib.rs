//! Effects of Berth: what a host does when it is told to.
//!
//! One file per system tool, each behind a small trait with a stateful fake
//! beside it, and on top of them the operations. Nothing here knows of a
//! command line: a CLI, a daemon and a test open the same [`Host`] and call the
//! same functions.
//!
//! - tools: [`containers`] (nixos-container), [`systemd`], [`guests`] (the
//!   systems inside), [`login`] (ssh), [`nix`], [`nftables`], [`postgres`]; all processes are
//!   started by [`exec`];
//! - files: [`rooted`] below container roots, [`journal`] of stopped ones;
//! - records: [`state`] (SQLite) and [`lock`];
//! - operations: [`agents`], [`reconcile`], [`doctor`], each plan → [`apply`] →
//!   record.

pub mod agents;
pub mod apply;
mod await_login;
mod boot_report;
pub mod caddy;
pub mod client_key;
pub mod closures;
pub mod confined;
pub mod containers;
pub mod control;
pub mod database_password;
pub mod doctor;
mod environment;
pub mod exec;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod firewall_table;
mod forget;
pub mod github;
pub mod gpu;
pub mod guests;
mod host;
mod host_key;
pub mod inventory;
pub mod journal;
pub mod lock;
pub mod login;
pub mod network;
pub mod nftables;
pub mod nix;
pub mod postgres;
mod prepare;
pub mod preview_closures;
pub mod previews;
pub mod printable;
mod private_folder;
pub mod progress;
pub mod reconcile;
mod replace_file;
pub mod repos;
pub mod routes;
mod secret_file;
pub mod starts;
pub mod state;
mod stop_when_dropped;
pub mod systemd;

pub use berth_rooted as rooted;

pub use self::await_login::target;
pub use self::host::{Host, LostRecords, OpenError, Tools};
