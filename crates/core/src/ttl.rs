//! How long an agent lives.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const SHORTEST: SignedDuration = SignedDuration::from_mins(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// A time to live, one minute to 366 days; a day has 24 hours here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ttl(SignedDuration);

/// A text that is not a time to live.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no time to live: write 1m to 366d, such as `8h`, `90m` or `2d 12h`")]
pub struct TtlError(String);

impl Ttl {
    /// When something made at `start` has outlived it.
    pub fn end(self, start: Timestamp) -> Timestamp {
        start.saturating_add(self.0).expect("a duration has no calendar units")
    }
}

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<Self, TtlError> {
        let refuse = || TtlError(text.escape_debug().to_string());
        let span: Span = text.parse().map_err(|_| refuse())?;
        let has_calendar_units = span.get_months() != 0 || span.get_years() != 0;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| refuse())?;
        if has_calendar_units || !(SHORTEST..=LONGEST).contains(&duration) {
            return Err(refuse());
        }
        Ok(Self(duration))
    }
}

text_form!(Ttl, TtlError);

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&rough(self.0))
    }
}

/// A duration in its two largest units: `3d 4h`, `8h`, `59s`.
pub fn rough(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let units =
        [(seconds / 86_400, 'd'), (seconds / 3_600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let Some(first) = units.iter().position(|(amount, _)| *amount > 0) else {
        return "0s".to_owned();
    };
    let shown: Vec<String> = units[first..]
        .iter()
        .take(2)
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_ways_to_write_a_time_are_read() {
        for (text, shown) in [
            ("8h", "8h"),
            ("90m", "1h 30m"),
            ("2d 12h", "2d 12h"),
            ("2d", "2d"),
            ("1 week", "7d"),
            ("PT30M", "30m"),
        ] {
            assert_eq!(text.parse::<Ttl>().expect(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "8", "0s", "59s", "-8h", "367d", "1y", "1mo", "soon", "8h; id"] {
            assert!(text.parse::<Ttl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_end_is_the_start_and_the_time() {
        let start: Timestamp = "2026-11-20T10:00:00Z".parse().expect("a time");
        let ttl: Ttl = "2d".parse().expect("a time to live");
        assert_eq!(ttl.end(start).to_string(), "2026-11-22T10:00:00Z");
    }

    #[test]
    fn durations_are_shown_in_two_units_at_most() {
        for (seconds, shown) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3_661, "1h 1m"), (90_061, "1d 1h"), (86_460, "1d")]
        {
            assert_eq!(rough(SignedDuration::from_secs(seconds)), shown);
        }
    }
}
