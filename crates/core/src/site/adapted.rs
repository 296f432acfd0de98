//! What a real Caddy makes of the rendered text.
//!
//! `caddy adapt` reads files and opens nothing. One call takes many previews,
//! since a process for each would take longer than the rest of the tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::*;
use crate::meta::{Meta, any};

const PREVIEWS: u32 = 200;

fn caddy(arguments: &[&Path]) -> Output {
    let output = Command::new("caddy")
        .args(arguments)
        .output()
        .expect("this test needs `caddy` on the PATH: `./dev check` installs it");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "caddy refuses what was rendered: {stderr}");
    output
}

/// What Caddy makes of the wildcard site and the route files in a folder.
fn adapted(folder: &Path) -> Value {
    let file = folder.join("Caddyfile");
    let domain = domain();
    std::fs::write(&file, wildcard_site(&domain, &Tls::Internal, &folder.join("*.caddy"))).expect("written");
    let words = ["adapt", "--adapter", "caddyfile", "--config"].map(Path::new);
    let output = caddy(&[words.as_slice(), &[&file]].concat());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn domain() -> Domain {
    "preview.example.com".parse().expect("a domain")
}

fn features() -> CaddyFeatures {
    let output = caddy(&[Path::new("version")]);
    CaddyFeatures::of_version_text(&String::from_utf8_lossy(&output.stdout)).expect("a version")
}

struct Preview {
    id: PreviewId,
    slug: Name,
    upstream: Ipv4Addr,
    meta: Meta,
}

impl Preview {
    fn any(number: u32, runner: &mut TestRunner) -> Self {
        Self {
            id: PreviewId::new(number.into()),
            slug: format!("shop-{number}").parse().expect("a name"),
            upstream: Ipv4Addr::from(0x0a64_0000 + 2 * number + 1),
            meta: any::metas().new_tree(runner).expect("a meta").current(),
        }
    }

    fn site<'a>(&'a self, domain: &'a Domain) -> Site<'a> {
        let Self { id, slug, upstream, meta } = self;
        let Meta { routes, extra_hosts, .. } = meta;
        Site { id: *id, slug, domain, upstream: *upstream, routes, extra_hosts }
    }

    /// Where the routes of each host must lead.
    fn wanted(&self, domain: &Domain) -> Vec<(String, BTreeSet<String>)> {
        let extra = self.meta.extra_hosts.iter().map(|host| &host.routes);
        let dials = [&self.meta.routes].into_iter().chain(extra).map(|routes| {
            routes.iter().map(|route| format!("{}:{}", self.upstream, route.port)).collect::<BTreeSet<_>>()
        });
        self.site(domain).hosts().into_iter().zip(dials).collect()
    }
}

#[test]
fn any_meta_is_accepted_by_caddy_and_leads_to_its_own_container_only() {
    let (folder, domain, features) = (tempfile::tempdir().expect("a folder"), domain(), features());
    let mut runner = TestRunner::default();
    let previews: Vec<Preview> = (1..=PREVIEWS).map(|number| Preview::any(number, &mut runner)).collect();
    for preview in &previews {
        let text = route_file(&preview.site(&domain), features);
        std::fs::write(folder.path().join(preview.id.route_file()), text).expect("written");
    }
    let json = adapted(folder.path());
    let mut groups = Vec::new();
    host_groups(&json["apps"]["http"]["servers"], &mut groups);
    let wanted: Vec<_> = previews.iter().flat_map(|preview| preview.wanted(&domain)).collect();
    assert_eq!(groups.len(), wanted.len() + 1, "a group for each host and one around them all");
    for (host, dials) in wanted {
        let of_host: Vec<_> = groups.iter().filter(|(hosts, _)| *hosts == [host.as_str()]).collect();
        let [(_, handlers)] = of_host.as_slice() else { panic!("{host} is there {} times", of_host.len()) };
        assert_eq!(texts(handlers, "dial").into_iter().collect::<BTreeSet<_>>(), dials, "{host}");
        for handler in texts(handlers, "handler") {
            assert!(HANDLERS.contains(&handler.as_str()), "{host}: {handler}");
        }
        assert!(!handlers.to_string().contains("\"tls\""), "{host}: HTTP without TLS, whatever the port");
    }
}

#[test]
fn a_folder_without_route_files_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(texts(&adapted(folder.path()), "dial"), Vec::<String>::new());
}

/// What a request can meet on its way.
const HANDLERS: [&str; 5] = ["headers", "reverse_proxy", "rewrite", "static_response", "subroute"];

/// Every list of handlers that a host matcher guards, with its hosts.
fn host_groups<'a>(json: &'a Value, groups: &mut Vec<(Vec<&'a str>, &'a Value)>) {
    if let Some(hosts) = json["match"][0]["host"].as_array() {
        groups.push((hosts.iter().filter_map(Value::as_str).collect(), &json["handle"]));
    }
    children(json).for_each(|child| host_groups(child, groups));
}

/// Every text that stands behind a key, wherever it is.
fn texts(json: &Value, key: &str) -> Vec<String> {
    let own = json.get(key).and_then(Value::as_str).map(str::to_owned);
    own.into_iter().chain(children(json).flat_map(|child| texts(child, key))).collect()
}

fn children(json: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match json {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(values) => Box::new(values.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}
