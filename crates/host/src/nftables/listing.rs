//! Reading what `nft --json list` prints.

use std::collections::{BTreeMap, BTreeSet};

use berth_core::firewall::{self, Pin};
use berth_core::{ContainerName, Subnet};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Ruleset {
    nftables: Vec<Object>,
}

/// One line of the listing has one of these, or something that does not matter.
#[derive(Deserialize)]
struct Object {
    chain: Option<Chain>,
    rule: Option<Rule>,
    set: Option<Set>,
}

#[derive(Deserialize)]
struct Chain {
    name: String,
    hook: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    chain: String,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    #[serde(default)]
    elem: Vec<Value>,
}

/// What keeps the listed table from being the one that Berth loads for this
/// subnet: its version, the sets, and the chains that hook into the kernel, none
/// of them emptied, and no element that is no pin.
pub(super) fn problem(json: &[u8], subnet: Subnet) -> Result<Option<String>, serde_json::Error> {
    let objects = serde_json::from_slice::<Ruleset>(json)?.nftables;
    let ruled: BTreeSet<&str> =
        objects.iter().filter_map(|object| Some(object.rule.as_ref()?.chain.as_str())).collect();
    let chains = objects.iter().filter_map(|object| object.chain.as_ref());
    let hooks: BTreeMap<&str, Option<&str>> =
        chains.map(|chain| (chain.name.as_str(), chain.hook.as_deref())).collect();
    if !hooks.contains_key(firewall::version_chain(subnet).as_str()) {
        return Ok(Some("its rules are of another version".to_owned()));
    }
    // Berth calls its base chains after their hooks.
    let is_in_force = |name: &&str| hooks.get(name) == Some(&Some(*name)) && ruled.contains(name);
    if let Some(dead) = firewall::BASE_CHAINS.iter().find(|name| !is_in_force(name)) {
        return Ok(Some(format!("its chain `{dead}` is not in force")));
    }
    for (name, holds, does) in [
        (firewall::SOURCES, "of sources", "pins"),
        (firewall::DATABASES, "of databases", "opens the databases to"),
    ] {
        let mut sets = objects.iter().filter_map(|object| object.set.as_ref());
        let Some(set) = sets.find(|set| set.name == name) else {
            return Ok(Some(format!("its set {holds} is missing")));
        };
        if let Some(stranger) = set.elem.iter().find(|element| pin(element).is_none()) {
            let stranger = shown(stranger);
            return Ok(Some(format!("it {does} `{stranger}`, which is no container of Berth")));
        }
    }
    Ok(None)
}

/// The pins among the elements of the listed set of this name.
pub(super) fn pins(json: &[u8], name: &str) -> Result<BTreeSet<Pin>, serde_json::Error> {
    let objects = serde_json::from_slice::<Ruleset>(json)?.nftables;
    let sets = objects.iter().filter_map(|object| object.set.as_ref()).filter(|set| set.name == name);
    Ok(sets.flat_map(|set| &set.elem).filter_map(pin).collect())
}

/// `{"concat": ["ve-a12", "10.100.0.25"]}`, in newer versions of nft inside
/// `{"elem": {"val": …}}` when something was said about the element.
fn pin(element: &Value) -> Option<Pin> {
    let parts = element.pointer("/elem/val").unwrap_or(element).get("concat")?.as_array()?;
    let [interface, address] = parts.as_slice() else { return None };
    let container: ContainerName = interface.as_str()?.strip_prefix("ve-")?.parse().ok()?;
    Some(Pin { container, address: address.as_str()?.parse().ok()? })
}

fn shown(element: &Value) -> String {
    let parts = element.get("concat").and_then(Value::as_array);
    let words: Option<Vec<&str>> = parts.and_then(|parts| parts.iter().map(Value::as_str).collect());
    words.map_or_else(|| element.to_string(), |words| words.join(" . "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nft 1.0.6 prints for a set with Berth's and somebody else's.
    const SOURCES: &str = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"set": {"family": "inet", "name": "sources", "table": "berth", "type": ["ifname", "ipv4_addr"], "handle": 3, "elem": [{"concat": ["eth0", "1.2.3.4"]}, {"concat": ["ve-a12", "10.100.0.25"]}, {"concat": ["ve-web", "10.100.0.9"]}, {"elem": {"val": {"concat": ["ve-p3", "10.100.0.7"]}, "comment": "x"}}]}}]}"#;

    fn subnet() -> Subnet {
        Subnet::try_from("10.100.0.0/16".parse::<ipnet::Ipv4Net>().expect("a network")).expect("a subnet")
    }

    /// A listing of the whole table, as nft 1.0.6 prints it.
    fn table() -> String {
        let version = firewall::version_chain(subnet());
        let mut objects = vec![
            r#"{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}"#.to_owned(),
            r#"{"table": {"family": "inet", "name": "berth", "handle": 1}}"#.to_owned(),
            r#"{"set": {"family": "inet", "name": "sources", "table": "berth", "type": ["ifname", "ipv4_addr"], "handle": 3}}"#.to_owned(),
            r#"{"set": {"family": "inet", "name": "databases", "table": "berth", "type": ["ifname", "ipv4_addr"], "handle": 4}}"#.to_owned(),
            format!(r#"{{"chain": {{"family": "inet", "table": "berth", "name": "{version}", "handle": 1}}}}"#),
        ];
        for (chain, kind) in
            [("prerouting", "filter"), ("input", "filter"), ("forward", "filter"), ("postrouting", "nat")]
        {
            objects.push(format!(
                r#"{{"chain": {{"family": "inet", "table": "berth", "name": "{chain}", "handle": 2, "type": "{kind}", "hook": "{chain}", "prio": 0, "policy": "accept"}}}}"#
            ));
            objects.push(format!(
                r#"{{"rule": {{"family": "inet", "table": "berth", "chain": "{chain}", "handle": 4, "expr": [{{"accept": null}}]}}}}"#
            ));
        }
        format!(r#"{{"nftables": [{}]}}"#, objects.join(", "))
    }

    #[test]
    fn the_table_as_loaded_is_current() {
        assert_eq!(problem(table().as_bytes(), subnet()).expect("a listing"), None);
    }

    #[test]
    fn a_table_that_lacks_something_is_not() {
        let good = table();
        for (from, to, told) in [
            ("version_", "version_0", "its rules are of another version"),
            (r#""hook": "forward""#, r#""was": "forward""#, "its chain `forward` is not in force"),
            (
                r#""chain": "input", "handle": 4"#,
                r#""chain": "other", "handle": 4"#,
                "its chain `input` is not in force",
            ),
            (r#""name": "prerouting""#, r#""name": "before""#, "its chain `prerouting` is not in force"),
            (r#""name": "sources""#, r#""name": "others""#, "its set of sources is missing"),
            (r#""name": "databases""#, r#""name": "others""#, "its set of databases is missing"),
            (
                r#""type": ["ifname", "ipv4_addr"]"#,
                r#""elem": [{"concat": ["ve-a1", "10.100.0.3"]}, {"concat": ["eth0", "10.100.0.9"]}]"#,
                "it pins `eth0 . 10.100.0.9`, which is no container of Berth",
            ),
            (
                r#""type": ["ifname", "ipv4_addr"], "handle": 4"#,
                r#""elem": [{"concat": ["ve-p1", "10.100.0.3"]}, {"concat": ["eth0", "10.100.0.9"]}]"#,
                "it opens the databases to `eth0 . 10.100.0.9`, which is no container of Berth",
            ),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert_eq!(problem(text.as_bytes(), subnet()).expect("a listing").as_deref(), Some(told));
        }
    }

    #[test]
    fn pins_are_read_and_others_left_out() {
        let found = pins(SOURCES.as_bytes(), firewall::SOURCES).expect("a listing");
        let elements: Vec<String> = found.iter().map(Pin::element).collect();
        assert_eq!(elements, [r#""ve-a12" . 10.100.0.25"#, r#""ve-p3" . 10.100.0.7"#]);
        assert!(pins(SOURCES.as_bytes(), firewall::DATABASES).expect("a listing").is_empty());
    }

    #[test]
    fn an_empty_set_has_no_pins_and_an_unreadable_one_is_an_error() {
        let empty = r#"{"nftables": [{"set": {"family": "inet", "name": "sources", "table": "berth"}}]}"#;
        assert!(pins(empty.as_bytes(), firewall::SOURCES).expect("a listing").is_empty());
        assert!(pins(b"", firewall::SOURCES).is_err());
    }
}
