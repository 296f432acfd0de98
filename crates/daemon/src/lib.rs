//! `berthd`: pull requests drive previews, and what should run does.
//!
//! Deliveries are hints, GitHub's API is the truth. [`intake`] turns what
//! `preview-webhook` stored into dirty lanes; [`lanes`] works on those, asks
//! GitHub how the pull request is now, and brings the preview there through a
//! [`Deployer`](deploy::Deployer); [`report`] tells GitHub. [`compare`] makes
//! lanes dirty whose delivery was lost, [`upkeep`] makes records and host equal.
//!
//! What must survive a kill is in the state database, and every loop begins
//! from there, so a killed daemon goes on where it was.

pub mod beat;
mod cli;
mod command;
pub mod compare;
pub mod deploy;
pub mod intake;
pub mod lanes;
mod logs;
pub mod loops;
pub mod metrics;
mod program;
pub mod report;
pub mod rights;
pub mod sockets;
pub mod upkeep;

pub use self::command::{command_line, main};

/// An error with its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
