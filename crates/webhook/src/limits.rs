//! How much is taken in at once.
//!
//! The peer is Caddy on the same host, and Caddy says who its client is. So a
//! client's address is the peer's, or what a peer on this host puts last into
//! `X-Forwarded-For`, which Caddy overwrites. The rate is limited for each
//! address, since one limit for all would let anybody on the internet use up
//! GitHub's share. What cannot be attributed in time, connections and memory,
//! is limited for all together, with a deadline on each body so that nobody
//! holds a share for long.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use governor::{DefaultKeyedRateLimiter, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies up to this many bytes need no permit: almost all are smaller.
pub(crate) const SMALL_BODY: usize = 256 << 10;
/// How many larger ones may be in memory at once.
const LARGE_BODIES: usize = 4;
/// How many addresses are remembered before those at rest are forgotten.
const ADDRESSES: usize = 50_000;

/// The limits of a server. The memory for bodies is bounded by the number of
/// connections times 256 KiB, and 100 MiB for larger ones.
#[derive(Debug)]
pub struct Limits {
    /// How long a body may take from the first to the last byte.
    pub(crate) body_timeout: Duration,
    rate: DefaultKeyedRateLimiter<IpAddr>,
    large_bodies: Arc<Semaphore>,
}

impl Limits {
    /// Limits with so many requests a second from one address, twice as many
    /// at once.
    pub fn new(rate: NonZeroU32, body_timeout: Duration) -> Self {
        let quota =
            Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1)));
        Self {
            body_timeout,
            rate: DefaultKeyedRateLimiter::keyed(quota),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
        }
    }

    /// Counts a request, and says whether it is within the rate.
    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        if self.rate.len() > ADDRESSES {
            self.rate.retain_recent();
        }
        self.rate.check_key(&group(client)).is_ok()
    }

    /// The right to hold a large body, if there is one left.
    pub(crate) fn large_body(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.large_bodies).try_acquire_owned().ok()
    }
}

/// One subscriber of IPv6 has at least 64 bits of addresses.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The address at the other end of a connection; none on a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl Peer {
    /// Who sent a request that came from here.
    pub(crate) fn client(self, headers: &HeaderMap) -> IpAddr {
        let peer = self.0.unwrap_or(IpAddr::V6(Ipv6Addr::LOCALHOST)).to_canonical();
        if !peer.is_loopback() {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.unwrap_or(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("a value"));
        }
        Peer(peer.parse().ok()).client(&headers).to_string()
    }

    #[test]
    fn only_a_proxy_on_this_host_says_who_its_client_is() {
        for (peer, forwarded, expected) in [
            ("127.0.0.1", &["203.0.113.9"][..], "203.0.113.9"),
            ("127.0.0.1", &["192.0.2.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["192.0.2.1", "203.0.113.9"], "203.0.113.9"),
            ("::1", &["2001:db8::1"], "2001:db8::1"),
            ("::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("a unix socket", &["203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("198.51.100.7", &["203.0.113.9"], "198.51.100.7"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn an_address_that_asks_too_often_does_not_use_up_the_share_of_another() {
        let limits = Limits::new(NonZeroU32::MIN.saturating_add(4), Duration::from_secs(1));
        let [loud, neighbour, quiet] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| text.parse().expect("an address"));
        assert_eq!((0..100).filter(|_| limits.admits(loud)).count(), 10);
        assert!(!limits.admits(neighbour), "one subscriber");
        assert!(limits.admits(quiet));
    }
}
