//! The operations against a fake host that fails, hangs and dies on cue.

mod bed;
mod cut_short;
mod gpu;
mod life;
mod races;
mod random;
