//! A real host to test on: a throwaway Debian system with systemd as PID 1, in
//! its own network namespace, on any machine with root.
//!
//! * [`Images`] are built once and cached outside the checkout.
//! * [`TestHost::boot`] starts a host from a pristine image in about a second;
//!   [`TestHost::shared`] is the one that `cargo xtask` booted for a test run.
//! * [`TestHost::command`] runs a program inside it.
//! * [`TestHost::leftovers`] lists what Berth could have left there, less what
//!   its records explain.
//!
//! `README.md` says what is real there and what is a stand-in.

mod apt_sources;
mod boot;
mod cache;
mod cgroup;
mod command;
mod files;
mod golden;
mod images;
mod leftovers;
mod options;
mod own_host;
mod process;
mod running;
mod state;
mod wait;

pub use boot::TestHost;
pub use cache::Cache;
pub use command::HostCommand;
pub use images::Images;
pub use leftovers::{Leftover, Leftovers};
pub use options::{BootOptions, Roots};
pub use own_host::OwnHost;
pub use running::{Output, Running};
pub use wait::wait_until;
