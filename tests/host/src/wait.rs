//! Waiting for a condition, with a deadline instead of a fixed time.

use std::thread;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(10);

/// Waits until the condition holds.
///
/// # Panics
/// With `what`, when the deadline passes first.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, condition: impl FnMut() -> bool) {
    assert!(poll(deadline, condition), "waited {deadline:?} in vain until {what}");
}

/// Waits until the condition holds; false when the deadline passes first.
pub(crate) fn poll(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        thread::sleep(STEP);
    }
}
