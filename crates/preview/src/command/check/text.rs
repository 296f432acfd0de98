//! What a repository declares, for people.

use std::fmt::Display;

use berth_core::Meta;
use berth_core::meta::{DatabaseMode, Route};
use berth_term::Table;

/// The host names are made when a preview is: these stand for them.
const SLUG: &str = "SLUG";
const DOMAIN: &str = "DOMAIN";

/// All that is declared, with its defaults.
pub(super) fn text(meta: &Meta) -> String {
    let mut table = Table::headless();
    let mut row = |key: &str, value: String| table.row([key.to_owned(), value]);
    let setup = meta.setup_service.as_ref();
    row("setup service", setup.map_or_else(|| "none".to_owned(), ToString::to_string));
    row("app services", list(&meta.app_services));
    row("database", database(meta.database).to_owned());
    row("host secrets", list(&meta.host_secrets));
    row("ready when", ready(meta));
    row("routes", routes("", &meta.routes));
    for host in &meta.extra_hosts {
        row("extra host", routes(&format!("{}-", host.prefix), &host.routes));
    }
    table.to_string()
}

fn list(items: &[impl Display]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn database(mode: Option<DatabaseMode>) -> &'static str {
    match mode {
        None => "none",
        Some(DatabaseMode::Host) => "one of the host's",
        Some(DatabaseMode::Container) => "its own, in the container",
    }
}

fn ready(meta: &Meta) -> String {
    let request = meta.ready_request();
    let status = meta.ready.status.map_or_else(|| "2xx or 3xx".to_owned(), |status| status.to_string());
    format!("port {} answers {} with {status}", request.port, request.path)
}

/// A line for each: the address outside, and where it leads.
fn routes(prefix: &str, routes: &[Route]) -> String {
    let line = |route: &Route| {
        let stripped = if route.strip_prefix { format!(", without {}", route.path) } else { String::new() };
        format!("https://{prefix}{SLUG}.{DOMAIN}{} → port {}{stripped}", route.path, route.port)
    };
    routes.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_declared_is_told() {
        let meta = Meta::parse(
            r#"{
              "setupService": "migrate", "appServices": ["web", "worker"], "database": "host",
              "routes": [{"path": "/", "port": 3000}, {"path": "/api", "port": 4000, "stripPrefix": true}],
              "hostSecrets": ["STRIPE_KEY"],
              "extraHosts": [{"prefix": "admin", "routes": [{"path": "/", "port": 5000}]}]
            }"#,
        );
        insta::assert_snapshot!(text(&meta.expect("a meta")), @"
        setup service  migrate.service
        app services   web.service, worker.service
        database       one of the host's
        host secrets   STRIPE_KEY
        ready when     port 3000 answers / with 2xx or 3xx
        routes         https://SLUG.DOMAIN/ → port 3000
                       https://SLUG.DOMAIN/api → port 4000, without /api
        extra host     https://admin-SLUG.DOMAIN/ → port 5000
        ");
    }

    #[test]
    fn what_is_left_out_is_none() {
        let meta = Meta::parse(r#"{"routes": [{"path": "/", "port": 80}], "appServices": ["nginx"]}"#);
        insta::assert_snapshot!(text(&meta.expect("a meta")), @"
        setup service  none
        app services   nginx.service
        database       none
        host secrets   none
        ready when     port 80 answers / with 2xx or 3xx
        routes         https://SLUG.DOMAIN/ → port 80
        ");
    }
}
