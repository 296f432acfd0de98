//! Measured times and what they say.

use std::fmt;
use std::time::{Duration, Instant};

/// Times of one thing, measured several times.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    /// Measures one more run.
    pub(super) fn measure(&mut self, run: impl FnOnce()) {
        let begin = Instant::now();
        run();
        self.0.push(begin.elapsed());
    }

    /// The middle value.
    pub(super) fn median(&self) -> Duration {
        self.quantile(1, 2)
    }

    /// How much longer the middle value is than another's.
    pub(super) fn ratio_to(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64()
    }

    fn quantile(&self, part: usize, of: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * part / of).copied().unwrap_or_default()
    }
}

impl fmt::Display for Sample {
    /// Median and the middle half of the values, in milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, middle, high] = [1, 2, 3].map(|quarter| self.quantile(quarter, 4).as_secs_f64() * 1e3);
        write!(f, "{middle:.0} ms (quartiles {low:.0} to {high:.0}, n = {})", self.0.len())
    }
}
