//! The nftables table `inet berth`.
//!
//! It only restricts: it pins each container's source address to its
//! interface, keeps containers away from each other, from the host and from
//! private networks, and does the NAT. An accept here undoes no drop of the
//! operator's own tables; so those must let `ve-*` through where Berth does.
//!
//! Interfaces are matched by pattern (`ve-a1*` … `ve-p9*`), not by listing the
//! running ones: a container that is missing from the set of sources can send
//! nothing at all. Containers of the operator (`ve-web`) are left alone.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::{ContainerName, Kind, Subnet};

/// The family of the table.
pub const FAMILY: &str = "inet";
/// The name of the table.
pub const TABLE: &str = "berth";
/// The set of `interface . address` pairs that may send.
pub const SOURCES: &str = "sources";
/// The set of `interface . address` pairs that may reach [`DATABASE_PORT`].
pub const DATABASES: &str = "databases";
/// Where the host's PostgreSQL listens on the services address.
pub const DATABASE_PORT: u16 = 5432;
/// The chains that hook into the kernel; without one of them a rule is dead.
pub const BASE_CHAINS: [&str; 4] = ["prerouting", "input", "forward", "postrouting"];

/// The type of the elements of both sets.
const PIN_TYPE: &str = "ifname . ipv4_addr";

/// Destinations that no container may reach: the special-purpose ranges of
/// [RFC 6890](https://www.rfc-editor.org/rfc/rfc6890) and its registry that lead
/// into the host, its networks or a cloud's metadata service. The ranges for
/// documentation are left out: they lead nowhere.
const CLOSED_DESTINATIONS: [&str; 12] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// One container's right to send from one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin {
    /// The container; its interface is named from it.
    pub container: ContainerName,
    /// Its address.
    pub address: Ipv4Addr,
}

impl Pin {
    /// The pin as a set element: `"ve-a12" . 10.100.0.25`.
    pub fn element(&self) -> String {
        format!("\"{}\" . {}", self.container.interface(), self.address)
    }
}

/// The elements of the table's sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Who may send at all.
    pub sources: BTreeSet<Pin>,
    /// Who of them may reach the databases.
    pub databases: BTreeSet<Pin>,
}

/// The commands for `nft -f -` that put the whole table in force in one
/// transaction, with exactly these pins.
pub fn load_commands(subnet: Subnet, pins: &Pins) -> String {
    let mut text = format!(
        "add table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n{}",
        table(subnet, &version_chain(subnet))
    );
    text.extend(pins.sources.iter().map(pin_command));
    text.extend(pins.databases.iter().map(open_database_command));
    text
}

/// The command that adds one pin; adding it twice is no error.
pub fn pin_command(pin: &Pin) -> String {
    add_element(SOURCES, *pin)
}

/// The commands that remove one pin, there or not, and with it the right to
/// reach the databases.
pub fn unpin_commands(pin: &Pin) -> String {
    close_database_commands(pin) + &remove_element(SOURCES, *pin)
}

/// The command that lets one container reach the databases; twice is no error.
pub fn open_database_command(pin: &Pin) -> String {
    add_element(DATABASES, *pin)
}

/// The commands that end that, whether it is so or not. A table that an older
/// version loaded has no such set; it gets one, so that taking a pin away
/// works there too.
pub fn close_database_commands(pin: &Pin) -> String {
    format!(
        "add set {FAMILY} {TABLE} {DATABASES} {{ type {PIN_TYPE}; }}\n{}",
        remove_element(DATABASES, *pin)
    )
}

fn add_element(set: &str, pin: Pin) -> String {
    format!("add element {FAMILY} {TABLE} {set} {{ {} }}\n", pin.element())
}

/// nftables knows no "delete if present", but adding an element that exists is
/// no error, and a batch is one transaction.
fn remove_element(set: &str, pin: Pin) -> String {
    add_element(set, pin) + &format!("delete element {FAMILY} {TABLE} {set} {{ {} }}\n", pin.element())
}

/// The name of an empty chain that changes with every change of the rules, so
/// that a table of another version is seen and replaced. (nft 1.0.6 leaves the
/// comment of a table out of its JSON.)
pub fn version_chain(subnet: Subnet) -> String {
    format!("version_{:016x}", fnv1a(table(subnet, "").as_bytes()))
}

fn table(subnet: Subnet, version: &str) -> String {
    let drop_unpinned = drop_unpinned_rules();
    let services = subnet.services_address();
    let closed = CLOSED_DESTINATIONS.join(", ");
    format!(
        r#"table {FAMILY} {TABLE} {{
	# Empty: its name tells the version of these rules.
	chain {version} {{
	}}

	# Who may send from which address.
	set {SOURCES} {{
		type {PIN_TYPE}
	}}

	# Who of them may reach the databases.
	set {DATABASES} {{
		type {PIN_TYPE}
	}}

	chain prerouting {{
		type filter hook prerouting priority raw; policy accept;
		iifname "ve-*" jump from_container
	}}

	# What goes on from here has the source address of its berth. A forged
	# source, IPv6, and all that comes from a berth that nobody pinned ends.
	chain from_container {{
		iifname . ip saddr @{SOURCES} accept
		ip saddr {subnet} counter drop
{drop_unpinned}	}}

	chain input {{
		type filter hook input priority filter; policy accept;
		iifname "ve-*" ip saddr {subnet} jump to_host
	}}

	# Of the host only the services address, and there only its services. Answers
	# to the host are known by their direction: a connection that the container
	# began while no table was loaded is established too, and must not go on.
	chain to_host {{
		ct state established,related ct direction reply accept
		ip daddr {services} udp dport 53 accept
		ip daddr {services} tcp dport 53 accept
		iifname . ip saddr @{DATABASES} ip daddr {services} tcp dport {DATABASE_PORT} accept
		ip daddr {services} icmp type echo-request accept
		counter reject with icmpx admin-prohibited
	}}

	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname "ve-*" ip saddr {subnet} jump outward
		oifname "ve-*" ip daddr {subnet} jump inward
	}}

	# Not to another container, not into private networks.
	chain outward {{
		oifname "ve-*" counter reject with icmpx admin-prohibited
		ip daddr {{ {closed} }} counter reject with icmpx admin-prohibited
		accept
	}}

	# Answers only: nobody reaches a container through the host's routes.
	chain inward {{
		ct state established,related ct direction reply accept
		counter drop
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {subnet} oifname != "ve-*" oifname != "lo" masquerade
	}}
}}
"#
    )
}

/// One rule for each first digit: nftables knows `*` only at the end of a
/// name, and nft 1.0.6 cannot print patterns inside a set.
fn drop_unpinned_rules() -> String {
    [Kind::Agent, Kind::Preview]
        .into_iter()
        .flat_map(|kind| {
            (1..=9).map(move |digit| format!("\t\tiifname \"ve-{}{digit}*\" counter drop\n", kind.letter()))
        })
        .collect()
}

/// FNV-1a, 64 bits: tells versions apart, protects nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        Subnet::try_from(text.parse::<ipnet::Ipv4Net>().expect(text)).expect(text)
    }

    fn pin() -> Pin {
        Pin { container: "a12".parse().expect("a container"), address: Ipv4Addr::new(10, 100, 0, 25) }
    }

    #[test]
    fn the_whole_table_is_this() {
        let preview =
            Pin { container: "p13".parse().expect("a container"), address: [10, 100, 0, 27].into() };
        let pins = Pins { sources: [pin(), preview].into(), databases: [preview].into() };
        insta::assert_snapshot!(load_commands(subnet("10.100.0.0/16"), &pins));
    }

    #[test]
    fn removing_a_pin_works_whether_it_is_there_or_not_and_takes_the_databases_away() {
        insta::assert_snapshot!(unpin_commands(&pin()), @r#"
        add set inet berth databases { type ifname . ipv4_addr; }
        add element inet berth databases { "ve-a12" . 10.100.0.25 }
        delete element inet berth databases { "ve-a12" . 10.100.0.25 }
        add element inet berth sources { "ve-a12" . 10.100.0.25 }
        delete element inet berth sources { "ve-a12" . 10.100.0.25 }
        "#);
    }

    #[test]
    fn a_change_of_the_rules_changes_the_version() {
        assert_ne!(version_chain(subnet("10.100.0.0/16")), version_chain(subnet("10.101.0.0/16")));
        assert_eq!(version_chain(subnet("10.100.0.0/16")), version_chain(subnet("10.100.0.0/16")));
    }
}
