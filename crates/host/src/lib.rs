//! Effects of Berth: one file per system tool, each behind a small trait.

pub mod exec;

pub use berth_rooted as rooted;
