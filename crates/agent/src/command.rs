//! The subcommands, a file each: `Args`, whose documentation is the help, and
//! `run`.

pub(crate) mod build;
pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod expire;
pub(crate) mod firewall;
pub(crate) mod info;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod run;
mod running;
pub(crate) mod ssh;
mod ssh_lines;
pub(crate) mod start;
pub(crate) mod stop;
