//! The real program, over real sockets and files.
//!
//! Needs root and `unshare` for a full disk.

mod bed;
mod crash;
mod full;
mod hostile;
mod life;
