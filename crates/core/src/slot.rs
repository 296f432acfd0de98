//! Slots: the numbers from which everything of a container is named.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Every 128th slot is skipped, so that no address ends in `.0`: some tools
/// and many people take such an address for a network.
const SKIPPED_EVERY: u16 = 128;

/// What lives in a berth. Both kinds share one space of slots, so `a7` and
/// `p7` never exist together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A sandbox that a person or a coding agent works in.
    Agent,
    /// A deployed branch or pull request.
    Preview,
}

impl Kind {
    /// The letter that begins the container's name.
    pub fn letter(self) -> char {
        match self {
            Self::Agent => 'a',
            Self::Preview => 'p',
        }
    }

    /// The word used in the state database and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Preview => "preview",
        }
    }
}

/// The number of a berth: 1 to 32767, never a multiple of 128.
///
/// Slot 0 is the host's own: its second address is the services address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Slot(u16);

/// A number that is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is no slot: slots are 1 to 32767 without the multiples of 128")]
pub struct SlotError(u16);

impl Slot {
    /// The largest slot that the addresses of a /16 reach.
    pub const MAX: u16 = 32_767;

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The lowest slot of `subnet` that is not in `taken`, or nothing when all
    /// are. `taken` must be sorted.
    pub fn lowest_free(subnet: Subnet, taken: &[Slot]) -> Option<Slot> {
        debug_assert!(taken.is_sorted(), "callers pass sorted slots");
        let mut taken = taken.iter().copied().peekable();
        subnet.slots().find(|slot| {
            while taken.next_if(|t| t < slot).is_some() {}
            taken.next_if_eq(slot).is_none()
        })
    }
}

impl TryFrom<u16> for Slot {
    type Error = SlotError;

    fn try_from(number: u16) -> Result<Self, SlotError> {
        if number > Self::MAX || number.is_multiple_of(SKIPPED_EVERY) {
            return Err(SlotError(number));
        }
        Ok(Self(number))
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> Self {
        slot.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The private network of the containers, from a /16 (32,512 slots) down to a
/// /24 (127 slots).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Ipv4Net", into = "Ipv4Net")]
pub struct Subnet(Ipv4Net);

/// A network that cannot serve as [`Subnet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SubnetError {
    /// Outside /16 to /24.
    #[error("`{0}` is a /{len}: take a /16 (32,512 berths) to a /24 (127 berths)", len = .0.prefix_len())]
    Size(Ipv4Net),
    /// Bits set behind the prefix.
    #[error("`{0}` has host bits set: its network is `{network}`", network = .0.trunc())]
    HostBits(Ipv4Net),
    /// Not one of the private ranges ([RFC 1918](https://www.rfc-editor.org/rfc/rfc1918)).
    #[error("`{0}` is not private: take a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")]
    Public(Ipv4Net),
}

impl Subnet {
    /// The network itself.
    pub fn net(self) -> Ipv4Net {
        self.0
    }

    /// Where the host's own services for containers listen.
    pub fn services_address(self) -> Ipv4Addr {
        self.at(1)
    }

    /// The addresses of a berth, or nothing when the slot lies outside.
    pub fn addresses(self, slot: Slot) -> Option<AddressPair> {
        (slot.0 <= self.last_slot()).then(|| AddressPair {
            host: self.at(2 * u32::from(slot.0)),
            container: self.at(2 * u32::from(slot.0) + 1),
        })
    }

    /// Every slot, in order.
    pub fn slots(self) -> impl Iterator<Item = Slot> {
        (1..=self.last_slot()).filter_map(|number| Slot::try_from(number).ok())
    }

    fn last_slot(self) -> u16 {
        let addresses = 1_u32 << (32 - u32::from(self.0.prefix_len()));
        u16::try_from(addresses / 2 - 1).expect("a subnet has at most 2^16 addresses")
    }

    fn at(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0.network().to_bits() + offset)
    }
}

impl TryFrom<Ipv4Net> for Subnet {
    type Error = SubnetError;

    fn try_from(net: Ipv4Net) -> Result<Self, SubnetError> {
        if !(16..=24).contains(&net.prefix_len()) {
            Err(SubnetError::Size(net))
        } else if net != net.trunc() {
            Err(SubnetError::HostBits(net))
        } else if !net.network().is_private() {
            Err(SubnetError::Public(net))
        } else {
            Ok(Self(net))
        }
    }
}

impl From<Subnet> for Ipv4Net {
    fn from(subnet: Subnet) -> Self {
        subnet.0
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The two addresses of a berth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// The host's end of the veth.
    pub host: Ipv4Addr,
    /// The container's end.
    pub container: Ipv4Addr,
}

/// The name of a container: kind and slot, such as `a12`.
///
/// At most six characters of `[ap][0-9]`, so it is valid for every tool: for
/// nixos-container (11 characters), for nspawn, as a unit instance, and in an
/// interface name (15 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName {
    kind: Kind,
    slot: Slot,
}

/// A text that is not the name of one of Berth's containers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no container of Berth: those are `a` or `p` and a slot")]
pub struct ContainerNameError(String);

impl ContainerName {
    /// The container of this kind in this slot.
    pub fn new(kind: Kind, slot: Slot) -> Self {
        Self { kind, slot }
    }

    /// What lives in it.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Its number.
    pub fn slot(self) -> Slot {
        self.slot
    }

    /// The host's end of its network, such as `ve-a12`.
    pub fn interface(self) -> String {
        format!("ve-{self}")
    }

    /// Its systemd unit, such as `container@a12.service`.
    pub fn unit(self) -> String {
        format!("container@{self}.service")
    }

    /// The container that a unit runs, if it is one of Berth's.
    pub fn from_unit(unit: &str) -> Option<Self> {
        unit.strip_prefix("container@")?.strip_suffix(".service")?.parse().ok()
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}{}", self.kind.letter(), self.slot))
    }
}

impl FromStr for ContainerName {
    type Err = ContainerNameError;

    fn from_str(text: &str) -> Result<Self, ContainerNameError> {
        let refuse = || ContainerNameError(text.escape_debug().to_string());
        let (kind, digits) = match text.split_at_checked(1) {
            Some(("a", digits)) => (Kind::Agent, digits),
            Some(("p", digits)) => (Kind::Preview, digits),
            _ => return Err(refuse()),
        };
        let is_canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let number: u16 = digits.parse().map_err(|_| refuse())?;
        match Slot::try_from(number) {
            Ok(slot) if is_canonical => Ok(Self { kind, slot }),
            _ => Err(refuse()),
        }
    }
}

text_form!(ContainerName, ContainerNameError);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::try_from(text.parse::<Ipv4Net>().expect(text)).expect(text)
    }

    fn slot(number: u16) -> Slot {
        Slot::try_from(number).expect("a slot")
    }

    #[test]
    fn slot_12_of_an_agent_is_named_as_the_design_says() {
        let name = ContainerName::new(Kind::Agent, slot(12));
        let pair = subnet("10.100.0.0/16").addresses(slot(12)).expect("inside");
        assert_eq!(name.to_string(), "a12");
        assert_eq!(name.interface(), "ve-a12");
        assert_eq!(name.unit(), "container@a12.service");
        assert_eq!(pair.host.to_string(), "10.100.0.24");
        assert_eq!(pair.container.to_string(), "10.100.0.25");
    }

    #[test]
    fn a_16_has_32512_slots_and_no_address_twice_or_ending_in_zero() {
        let subnet = subnet("10.100.0.0/16");
        let mut seen = HashSet::from([subnet.services_address()]);
        let mut count = 0;
        for slot in subnet.slots() {
            let pair = subnet.addresses(slot).expect("inside");
            for address in [pair.host, pair.container] {
                assert!(subnet.net().contains(&address));
                assert_ne!(address.octets()[3], 0, "{address}");
                assert!(seen.insert(address), "{address} twice");
            }
            count += 1;
        }
        assert_eq!(count, 32_512);
    }

    #[test]
    fn a_24_has_127_slots_and_slot_128_lies_outside() {
        let subnet = subnet("192.168.7.0/24");
        assert_eq!(subnet.slots().count(), 127);
        assert!(subnet.addresses(slot(129)).is_none());
    }

    #[test]
    fn subnets_that_cannot_serve_are_refused_with_the_reason() {
        for (text, message) in [
            ("10.0.0.0/8", "`10.0.0.0/8` is a /8: take a /16 (32,512 berths) to a /24 (127 berths)"),
            ("10.1.2.0/25", "`10.1.2.0/25` is a /25: take a /16 (32,512 berths) to a /24 (127 berths)"),
            ("10.100.1.0/16", "`10.100.1.0/16` has host bits set: its network is `10.100.0.0/16`"),
            (
                "8.8.0.0/16",
                "`8.8.0.0/16` is not private: take a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
            ),
        ] {
            let net: Ipv4Net = text.parse().expect(text);
            assert_eq!(Subnet::try_from(net).expect_err(text).to_string(), message);
        }
    }

    #[test]
    fn lowest_free_slot_is_reused_and_a_full_subnet_has_none() {
        let subnet = subnet("10.9.8.0/24");
        assert_eq!(Slot::lowest_free(subnet, &[]), Some(slot(1)));
        assert_eq!(Slot::lowest_free(subnet, &[slot(1), slot(2), slot(4)]), Some(slot(3)));
        let all: Vec<Slot> = subnet.slots().collect();
        assert_eq!(Slot::lowest_free(subnet, &all), None);
    }

    #[test]
    fn other_containers_of_the_host_are_not_berths() {
        for text in ["", "a", "web", "a0", "a012", "a-1", "a+1", "a128", "p32768", "a1x", "A1", "b1", "ä1"] {
            assert!(text.parse::<ContainerName>().is_err(), "{text}");
        }
        assert_eq!(ContainerName::from_unit("container@web.service"), None);
    }

    proptest! {
        #[test]
        fn container_names_round_trip(number in 1..=Slot::MAX, preview: bool) {
            prop_assume!(number % 128 != 0);
            let kind = if preview { Kind::Preview } else { Kind::Agent };
            let name = ContainerName::new(kind, slot(number));
            prop_assert_eq!(name.to_string().parse(), Ok(name));
            prop_assert_eq!(ContainerName::from_unit(&name.unit()), Some(name));
            prop_assert!(name.to_string().len() <= 6);
            prop_assert!(name.interface().len() <= 15);
        }

        #[test]
        fn lowest_free_is_the_first_slot_that_nobody_has(taken in proptest::collection::btree_set(1..300_u16, 0..250)) {
            let subnet = subnet("10.100.0.0/16");
            let taken: Vec<Slot> = taken.into_iter().filter_map(|n| Slot::try_from(n).ok()).collect();
            let expected = subnet.slots().find(|s| !taken.contains(s));
            prop_assert_eq!(Slot::lowest_free(subnet, &taken), expected);
        }
    }
}
