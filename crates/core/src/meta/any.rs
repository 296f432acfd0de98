//! Metas and sites as proptest makes them up.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use proptest::prelude::*;

use super::{DatabaseMode, ExtraHost, Meta, Ready, Route, RoutePath, UnitName};
use crate::Name;
use crate::env_file::EnvName;

/// Any meta that can be declared.
pub(crate) fn metas() -> impl Strategy<Value = Meta> {
    let hosts = (routes(1..12), extra_hosts());
    let services = (prop::option::of("setup-[a-z]{1,4}"), units(), databases(), secrets());
    (services, hosts, statuses()).prop_map(|(services, (routes, extra_hosts), status)| {
        let (setup, app_services, database, host_secrets) = services;
        let path = routes[0].path.as_str().parse().expect("a path to ask for");
        Meta {
            setup_service: setup.map(|name| name.parse().expect("a unit")),
            app_services,
            database,
            routes,
            host_secrets,
            extra_hosts,
            ready: Ready { path, status },
        }
    })
}

/// Any routes of one host.
pub(crate) fn routes(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Route>> {
    let path = "/|(/[a-zA-Z0-9_~-][a-zA-Z0-9._~-]{0,5}){1,5}|(/[ab]){1,4}";
    let ports = prop_oneof![Just(80), Just(443), Just(2019), 1..=u16::MAX];
    prop::collection::vec((path, ports, any::<bool>()), count).prop_map(|written| {
        // By the path in lower case: no two routes may differ in case alone.
        let routes = written.into_iter().map(|(path, port, strip_prefix)| {
            let path: RoutePath = path.parse().expect("a path");
            let strip_prefix = strip_prefix && !path.is_root();
            let port = NonZeroU16::new(port).expect("a port");
            (path.as_str().to_ascii_lowercase(), Route { path, port, strip_prefix })
        });
        routes.collect::<BTreeMap<_, _>>().into_values().rev().collect()
    })
}

fn extra_hosts() -> impl Strategy<Value = Vec<ExtraHost>> {
    let prefix = "[a-z0-9]|[a-z0-9][a-z0-9-]{0,18}[a-z0-9]";
    prop::collection::btree_map(prefix, routes(1..4), 0..4).prop_map(|hosts| {
        let host = |(prefix, routes): (String, _)| {
            let prefix: Name = prefix.parse().expect("a name");
            ExtraHost { prefix, routes }
        };
        hosts.into_iter().map(host).collect()
    })
}

fn units() -> impl Strategy<Value = Vec<UnitName>> {
    prop::collection::btree_set("web-[a-zA-Z0-9:_@.-]{0,8}[0-9]", 0..4)
        .prop_map(|names| names.iter().map(|name| name.parse().expect("a unit")).collect())
}

fn databases() -> impl Strategy<Value = Option<DatabaseMode>> {
    prop_oneof![Just(None), Just(Some(DatabaseMode::Host)), Just(Some(DatabaseMode::Container))]
}

fn secrets() -> impl Strategy<Value = Vec<EnvName>> {
    prop::collection::btree_set("[A-Za-z]_[A-Z_a-z]{1,3}[0-9]{0,3}", 0..4)
        .prop_map(|names| names.iter().map(|name| name.parse().expect("a variable")).collect())
}

fn statuses() -> impl Strategy<Value = Option<u16>> {
    prop::option::of(100..=599_u16)
}
