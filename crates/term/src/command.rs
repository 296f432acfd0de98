//! The commands that every program has.
//!
//! Where the help is the same for all, a file has `Args`, whose documentation is
//! the help, `examples` and `run`; where it is not, the program's own file has
//! the arguments and calls what is here.

pub mod check_config;
pub mod completions;
pub mod doctor;
pub mod events;
pub mod help;
pub mod logs;
pub mod man;
