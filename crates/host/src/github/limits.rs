//! How many calls GitHub takes, and when it takes no more.

use std::collections::HashMap;
use std::sync::Mutex;

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use jiff::{SignedDuration, Timestamp};

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// The App itself.
    App,
    /// One installation of it, whichever token it shows.
    Installation(u64),
    /// The owner of the personal token.
    Person,
}

/// After a secondary limit that names no time, as GitHub advises.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The windows of GitHub's limits are hours: what is told beyond that is wrong.
const LONGEST: SignedDuration = SignedDuration::from_mins(65);

/// Until when no call is sent.
#[derive(Default)]
pub(super) struct Gates(Mutex<HashMap<Holder, Timestamp>>);

impl Gates {
    /// Until when this holder has to wait, if it has to.
    pub(super) fn closed_until(&self, holder: Holder, now: Timestamp) -> Option<Timestamp> {
        let gates = self.0.lock().expect("nothing panics while it holds the gates");
        gates.get(&holder).copied().filter(|&until| until > now)
    }

    /// Learns from an answer. Tells until when to wait if the answer is a
    /// refusal because of a limit.
    pub(super) fn learn(
        &self,
        holder: Holder,
        (status, headers, said): (StatusCode, &HeaderMap, &str),
        now: Timestamp,
    ) -> Option<Timestamp> {
        let refused = refused_until(status, headers, said, now);
        let until = refused.or_else(|| used_up_until(headers))?;
        let until = until.clamp(now + SignedDuration::from_secs(1), now + LONGEST);
        self.0.lock().expect("nothing panics while it holds the gates").insert(holder, until);
        refused.map(|_| until)
    }
}

fn refused_until(status: StatusCode, headers: &HeaderMap, said: &str, now: Timestamp) -> Option<Timestamp> {
    if !matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    let after = number(headers, RETRY_AFTER.as_str());
    let after = after.map(|seconds| now + SignedDuration::from_secs(seconds.clamp(0, LONGEST.as_secs())));
    let said = said.to_ascii_lowercase();
    let is_secondary = status == StatusCode::TOO_MANY_REQUESTS
        || said.contains("secondary rate limit")
        || said.contains("abuse detection");
    after.or_else(|| used_up_until(headers)).or_else(|| is_secondary.then(|| now + PAUSE))
}

/// When the next window begins, if this one is used up.
fn used_up_until(headers: &HeaderMap) -> Option<Timestamp> {
    let reset = number(headers, "x-ratelimit-reset")?;
    let is_used_up = number(headers, "x-ratelimit-remaining")? == 0;
    is_used_up.then(|| Timestamp::from_second(reset).ok()).flatten()
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn learned(status: u16, headers: &[(&'static str, &str)], said: &str) -> (Option<i64>, Option<i64>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (hyper::header::HeaderName::from_static(name), value.parse().expect("a value"))
            })
            .collect();
        let now = Timestamp::from_second(NOW).expect("a time");
        let gates = Gates::default();
        let status = StatusCode::from_u16(status).expect("a status");
        let refused = gates.learn(Holder::Person, (status, &headers, said), now);
        let after = |until: Timestamp| until.as_second() - NOW;
        assert_eq!(gates.closed_until(Holder::App, now), None, "others go on");
        (refused.map(after), gates.closed_until(Holder::Person, now).map(after))
    }

    #[test]
    fn limits_are_read_as_github_tells_them() {
        let reset = (NOW + 90).to_string();
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset.as_str())];
        let some_left = [("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", reset.as_str())];
        assert_eq!(learned(200, &some_left, ""), (None, None));
        assert_eq!(learned(200, &used_up, ""), (None, Some(90)), "the last call of a window");
        assert_eq!(learned(403, &used_up, "API rate limit exceeded"), (Some(90), Some(90)));
        assert_eq!(learned(429, &used_up, ""), (Some(90), Some(90)));
        assert_eq!(learned(403, &[("retry-after", "30")], "secondary rate limit"), (Some(30), Some(30)));
        let secondary = "You have exceeded a secondary rate limit. Please wait";
        assert_eq!(learned(403, &some_left, secondary), (Some(60), Some(60)));
        assert_eq!(learned(403, &some_left, "Resource not accessible by integration"), (None, None));
        assert_eq!(learned(429, &[], ""), (Some(60), Some(60)));
    }

    #[test]
    fn what_cannot_be_is_bounded() {
        let hour = LONGEST.as_secs();
        assert_eq!(learned(429, &[("retry-after", "99999999999")], ""), (Some(hour), Some(hour)));
        assert_eq!(learned(429, &[("retry-after", "-5")], ""), (Some(1), Some(1)));
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "5")];
        assert_eq!(learned(403, &past, ""), (Some(1), Some(1)));
        assert_eq!(learned(403, &[("retry-after", "soon")], "no"), (None, None));
    }
}
