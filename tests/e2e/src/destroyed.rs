//! What a test made goes with the test, also when that fails.

use std::thread;

use berth_testhost::HostCommand;

/// Destroys what a value stands for when that is dropped.
///
/// # Panics
/// If it cannot be destroyed, and the test has not failed already.
pub(crate) fn destroy_on_drop(destroy: &HostCommand<'_>) {
    // In a thread of its own: a panic of ours while the test's is under way
    // would hide that one.
    let outcome = thread::scope(|scope| scope.spawn(|| destroy.clone().run()).join());
    let failure = match outcome {
        Ok(output) if output.is_success() => return,
        Ok(output) => output.to_string(),
        Err(_) => format!("{destroy:?} did not end"),
    };
    if thread::panicking() {
        eprintln!("{failure}");
    } else {
        panic!("{failure}");
    }
}
