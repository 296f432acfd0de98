//! Times as people read them.

use berth_core::ttl::rough;
use jiff::{SignedDuration, Timestamp};

/// How long ago something was: `3h 2m`. A clock that was set back shows `0s`.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    rough(now.duration_since(then).max(SignedDuration::ZERO))
}

/// How long something still has: `in 3h 2m`, `now` when its time is over, `-`
/// when it has no end.
pub fn left(now: Timestamp, end: Option<Timestamp>) -> String {
    match end {
        None => "-".to_owned(),
        Some(end) if end <= now => "now".to_owned(),
        Some(end) => format!("in {}", rough(end.duration_since(now))),
    }
}

/// A moment to the second: `2026-11-20 19:40:12 UTC`. Always UTC, so that what
/// two people paste can be compared.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn ages_and_ends_are_told_in_two_units() {
        let now = time("2026-11-20T19:40:12.345Z");
        assert_eq!(age(now, time("2026-11-20T16:38:00Z")), "3h 2m");
        assert_eq!(age(now, time("2026-11-20T20:00:00Z")), "0s");
        assert_eq!(left(now, Some(time("2026-11-21T00:00:00Z"))), "in 4h 19m");
        assert_eq!(left(now, Some(now)), "now");
        assert_eq!(left(now, None), "-");
        assert_eq!(moment(now), "2026-11-20 19:40:12 UTC");
    }
}
