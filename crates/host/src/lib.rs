//! Effects of Berth: one file per system tool, each behind a small trait.

pub mod exec;
pub mod lock;
pub mod state;

pub use berth_rooted as rooted;
