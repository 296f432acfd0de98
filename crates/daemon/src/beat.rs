//! Whether the loops go on: systemd hears of it as long as all of them do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The loops, and when each has last gone on.
#[derive(Clone, Default)]
pub struct Beats(Arc<Mutex<BTreeMap<&'static str, Beat>>>);

struct Beat {
    last: Instant,
    /// It may be silent for so long.
    patience: Duration,
}

impl Beats {
    /// A loop that may be silent for so long begins, or goes on.
    pub fn beat(&self, name: &'static str, patience: Duration) {
        self.lock().insert(name, Beat { last: Instant::now(), patience });
    }

    /// The loops that have been silent for too long.
    pub fn silent(&self, now: Instant) -> Vec<&'static str> {
        let beats = self.lock();
        let is_silent = |beat: &Beat| now.saturating_duration_since(beat.last) > beat.patience;
        beats.iter().filter(|(_, beat)| is_silent(beat)).map(|(name, _)| *name).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Beat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_seen_and_one_that_goes_on_is_not() {
        let beats = Beats::default();
        beats.beat("stands", Duration::from_secs(10));
        beats.beat("goes", Duration::from_secs(30));
        let now = Instant::now();
        assert_eq!(beats.silent(now), [""; 0]);
        assert_eq!(beats.silent(now + Duration::from_secs(20)), ["stands"]);
        beats.beat("stands", Duration::from_mins(1));
        assert_eq!(beats.silent(now + Duration::from_secs(20)), [""; 0]);
    }
}
