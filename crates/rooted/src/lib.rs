//! Files below the root of a *stopped* container.
//!
//! Container root owns everything below its root and may have planted anything
//! there: a symlink to the host's `/etc`, a FIFO that blocks its reader, a
//! folder of 200,000 files. So nothing here takes a path apart by itself. Each
//! step is an openat2 relative to a handle, refuses symlinks, and never leaves
//! the root ([`RootDir`]).
//!
//! A small crate of its own, because the guard uses it before every start and
//! must stay quick: no runtime, no database.
//!
//! All calls block.

mod error;
mod folder;
mod owner;
mod remove;
mod root;
mod write;

pub use error::{Obstacle, RootedError};
pub use folder::Kind;
pub use owner::Owner;
pub use remove::remove_tree;
pub use root::{Entry, Listing, RootDir};

#[cfg(test)]
mod tests;
