//! The operations against a fake host that fails, hangs and dies on cue.

mod asserts;
mod bed;
mod cut_short;
mod expiry;
mod gpu;
mod life;
mod races;
mod random;
mod updates;
