//! The subcommands, a file each: `Args`, whose documentation is the help, and
//! `run`.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod expire;
pub(crate) mod info;
pub(crate) mod jobs;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod restart;
pub(crate) mod retry;
pub(crate) mod run;
mod running;
mod source;
#[cfg(test)]
mod specimen;
pub(crate) mod update;
