//! A host that is not there: stateful fakes of all tools that share one world.
//!
//! Files are real, below a layout of the test's own: configuration files,
//! roots, profiles, drop-ins, links. The rest (units, the firewall, the Nix
//! store) is kept in memory. The fakes do what `CONTRACTS` says of the tools,
//! the unpleasant parts included, and nothing kinder.
//!
//! Every call passes **points**: before it has an effect, in some calls
//! midway, and after. A test lets a point fail or hang ([`FakeWorld::fail_at`],
//! [`FakeWorld::hang_at`]), for each of them in turn, and looks at what is left.
//! A future that hangs and is dropped leaves the world as a killed process
//! would: systemd goes on with its jobs, which [`FakeWorld::settle`] finishes.

mod faults;
#[cfg(test)]
mod tests;
mod tools;
mod world;

pub(crate) use self::faults::failure;
pub use self::faults::{Moment, Point};
pub use self::world::{Boot, FakeWorld};
pub(crate) use self::world::{Table, Unit};
