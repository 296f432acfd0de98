//! The time, which tests can put forward.

use jiff::{SignedDuration, Timestamp};

/// What time it is on this GitHub.
#[derive(Default)]
pub(crate) struct Clock {
    ahead: SignedDuration,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    pub(crate) fn advance(&mut self, seconds: u32) {
        self.ahead += SignedDuration::from_secs(i64::from(seconds));
    }
}
