//! The table `inet berth`, as nft lists it in JSON.

use berth_core::firewall::{BASE_CHAINS, FAMILY, Pin, SOURCES, TABLE};
use serde_json::Value;
use thiserror::Error;

/// Why the firewall does not hold a container.
#[derive(Debug, Error)]
pub enum FirewallRefusal {
    /// The listing is not the JSON that nft prints.
    #[error("nft's listing of the table `{FAMILY} {TABLE}` cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// The table is not there.
    #[error("the firewall table `{FAMILY} {TABLE}` is not loaded; load it with `agent doctor --fix`")]
    NotLoaded,
    /// A chain that catches packets is missing, not hooked in or empty.
    #[error(
        "the firewall table `{FAMILY} {TABLE}` has no chain `{0}` in force; load it anew with `agent doctor --fix`"
    )]
    Chain(&'static str),
    /// The container's address is not pinned to its interface.
    #[error("the firewall does not pin `{}` in the set `{SOURCES}`; load it anew with `agent doctor --fix`", .0.element())]
    NotPinned(Pin),
}

/// Checks a listing; returns all that is wrong.
pub fn check(json: &[u8], pin: Pin) -> Vec<FirewallRefusal> {
    let listing: Value = match serde_json::from_slice(json) {
        Ok(listing) => listing,
        Err(error) => return vec![FirewallRefusal::Unreadable(error)],
    };
    let empty = Vec::new();
    let objects = listing["nftables"].as_array().unwrap_or(&empty);
    let is_ours = |object: &Value, table: &str| object["family"] == FAMILY && object[table] == TABLE;
    if !objects.iter().any(|object| is_ours(&object["table"], "name")) {
        return vec![FirewallRefusal::NotLoaded];
    }
    let ours = |kind: &'static str| {
        objects.iter().map(move |object| &object[kind]).filter(move |object| is_ours(object, "table"))
    };
    let mut refusals = Vec::new();
    for name in BASE_CHAINS {
        // Base chains are called after their hooks.
        let is_hooked = ours("chain").any(|chain| chain["name"] == name && chain["hook"] == name);
        let has_rule = ours("rule").any(|rule| rule["chain"] == name);
        if !is_hooked || !has_rule {
            refusals.push(FirewallRefusal::Chain(name));
        }
    }
    let is_pinned = ours("set")
        .filter(|set| set["name"] == SOURCES)
        .filter_map(|set| set["elem"].as_array())
        .flatten()
        .any(|element| is_pin(element, pin));
    if !is_pinned {
        refusals.push(FirewallRefusal::NotPinned(pin));
    }
    refusals
}

/// An element is a concatenation, wrapped once more where it has a comment or
/// a counter.
fn is_pin(element: &Value, pin: Pin) -> bool {
    let value = element.get("elem").map_or(element, |wrapped| &wrapped["val"]);
    let parts = [Value::from(pin.container.interface()), Value::from(pin.address.to_string())];
    value["concat"].as_array().is_some_and(|concat| *concat == parts)
}
