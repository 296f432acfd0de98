//! Effects of Berth: one file per system tool, each behind a small trait.

pub mod exec;
