//! Which keys a meta has, and which of their values go together.

use std::num::NonZeroU16;

use serde_json::{Map, Value};

use super::reader::Object;
use super::route::most_specific;
use super::{DatabaseMode, ExtraHost, Meta, Ready, ReadyPath, Route, RoutePath};
use crate::Name;
use crate::config::Problem;
use crate::env_file::EnvName;
use crate::slug::PREFIX_MAX;

const ROUTES_MAX: usize = 50;
const EXTRA_HOSTS_MAX: usize = 10;
const SERVICES_MAX: usize = 50;
const SECRETS_MAX: usize = 50;

const DATABASES: [(&str, DatabaseMode); 2] =
    [("host", DatabaseMode::Host), ("container", DatabaseMode::Container)];

pub(super) fn meta(values: Map<String, Value>) -> Result<Meta, Vec<Problem>> {
    let mut top = Object::top(values);
    let meta = Meta {
        setup_service: top.text("setupService"),
        app_services: top.texts("appServices", SERVICES_MAX),
        database: top.choice("database", &DATABASES),
        routes: routes(&mut top),
        host_secrets: host_secrets(&mut top),
        extra_hosts: extra_hosts(&mut top),
        ready: top.object("ready", ready).unwrap_or_default(),
    };
    check_services(&mut top, &meta);
    check_route_count(&mut top, &meta);
    check_ready(&mut top, &meta);
    let problems = top.finish();
    if problems.is_empty() { Ok(meta) } else { Err(problems) }
}

fn routes(object: &mut Object) -> Vec<Route> {
    let mut paths: Vec<RoutePath> = Vec::new();
    object.objects("routes", ROUTES_MAX, |object| {
        let path: Option<RoutePath> = object.required_text("path");
        let port = object.required_number("port", 1..=u16::MAX).and_then(NonZeroU16::new);
        let strip_prefix = object.flag("stripPrefix");
        let path = path?;
        if strip_prefix && path.is_root() {
            object.problem("stripPrefix", "is true, but the path `/` has no prefix: leave it out");
        }
        if paths.iter().any(|other| other.is_same_as(&path)) {
            object.problem("path", format!("`{path}` is there twice: a path goes to one port"));
        }
        paths.push(path.clone());
        Some(Route { path, port: port?, strip_prefix })
    })
}

fn extra_hosts(object: &mut Object) -> Vec<ExtraHost> {
    let mut prefixes: Vec<Name> = Vec::new();
    object.objects("extraHosts", EXTRA_HOSTS_MAX, |object| {
        let prefix: Option<Name> = object.required_text("prefix");
        let routes = routes(object);
        if routes.is_empty() && !object.has_problem("routes") {
            object.problem("routes", "is empty: a host without a route serves nothing");
        }
        let prefix = prefix?;
        let length = prefix.as_str().len();
        if length > PREFIX_MAX {
            object.problem("prefix", format!("has {length} characters: {PREFIX_MAX} is the most"));
        }
        if prefixes.contains(&prefix) {
            object.problem("prefix", format!("`{prefix}` is there twice: each host needs its own"));
        }
        prefixes.push(prefix.clone());
        Some(ExtraHost { prefix, routes })
    })
}

fn host_secrets(top: &mut Object) -> Vec<EnvName> {
    let secrets: Vec<EnvName> = top.texts("hostSecrets", SECRETS_MAX);
    for secret in &secrets {
        if secret.as_str().starts_with("PREVIEW_") || secret.as_str() == "DATABASE_URL" {
            top.problem(
                "hostSecrets",
                format!("`{secret}` is set by Berth itself: it is no secret to ask for"),
            );
        }
    }
    secrets
}

fn ready(object: &mut Object) -> Ready {
    let path: Option<ReadyPath> = object.text("path");
    Ready { path: path.unwrap_or_default(), status: object.number("status", 100..=599) }
}

fn check_services(top: &mut Object, meta: &Meta) {
    if let Some(setup) = meta.setup_service.as_ref().filter(|setup| meta.app_services.contains(setup)) {
        top.problem("appServices", format!("`{setup}` is the setup service: it ends before these start"));
    }
}

fn check_route_count(top: &mut Object, meta: &Meta) {
    let count = meta.routes.len() + meta.extra_hosts.iter().map(|host| host.routes.len()).sum::<usize>();
    if count > ROUTES_MAX {
        top.problem("routes", format!("are {count} with those of the extra hosts: {ROUTES_MAX} is the most"));
    }
}

/// Every preview is asked for a page before it counts as up.
fn check_ready(top: &mut Object, meta: &Meta) {
    if top.has_problem("routes") || top.has_problem("ready") {
        return;
    }
    let path = &meta.ready.path;
    if meta.routes.is_empty() {
        top.problem(
            "routes",
            "is empty: a preview is a site, so give it a route, such as { path = \"/\"; port = 3000; }",
        );
    } else if most_specific(&meta.routes, path.as_str()).is_none() {
        top.problem(
            "ready.path",
            format!("`{path}` is served by no route: name a path that tells whether the site is up"),
        );
    }
}
