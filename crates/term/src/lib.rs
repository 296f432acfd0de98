//! What Berth's command lines share.
//!
//! The conventions, for every program: results go to stdout (a table for
//! people, or one JSON value with `--json`), everything else to stderr:
//! progress, notes, logs and errors. An error is text on stderr also with
//! `--json`; stdout is empty then and the exit [`Code`] tells the kind.
//!
//! The way through a program ([`program::main`]): who called ([`Caller`]) →
//! what is configured ([`config_file::load`]) → work, drawn on the [`Screen`] →
//! a result on [`stdout`], or a [`Failure`] that `main` prints once. What every
//! program can do is in [`command`]; a program's own commands are in its crate.
//!
//! Whatever may come from a container, a tool or the command line is printed
//! through [`berth_host::printable`], so that it cannot act on the terminal.

pub mod ask;
pub mod caller;
pub mod code;
pub mod command;
pub mod config_file;
pub mod context;
pub mod failure;
pub mod inside;
pub mod interrupt;
pub mod logs;
pub mod program;
pub mod removal;
pub mod screen;
pub mod stdout;
pub mod table;
pub mod times;

pub use caller::{Caller, CallerError, Rights};
pub use code::Code;
pub use config_file::ConfigFileError;
pub use context::Context;
pub use failure::{Explained, Failure};
pub use program::{CommandLine, Options};
pub use screen::{Screen, Work};
pub use table::Table;
