//! How Caddy serves a preview: the text of its route file.
//!
//! All route files are imported inside one wildcard site, see
//! [`wildcard_site`], so that many previews share one certificate and one list
//! of handlers. A file is rendered from types that hold nothing which Caddy
//! would read as syntax, a pattern or a placeholder.

mod text;
mod wildcard;

#[cfg(test)]
mod adapted;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use self::text::Text;
pub use self::wildcard::{DnsProvider, DnsProviderError, Tls, wildcard_site};
use crate::meta::{ExtraHost, Route, most_specific_first};
use crate::{Domain, Name, PreviewId};

/// What the installed Caddy knows beyond version 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaddyFeatures {
    /// `stream_close_delay` of a proxy: its long-lived connections, such as
    /// web sockets, stay open for a while after a reload. From 2.7 on; before, the word is an error.
    pub stream_close_delay: bool,
}

impl CaddyFeatures {
    /// What this version knows.
    pub fn of_version(major: u32, minor: u32) -> Self {
        Self { stream_close_delay: (major, minor) >= (2, 7) }
    }

    /// What the version knows that `caddy version` has printed, such as
    /// `v2.11.7 h1:…` or `2.6.2`; nothing if there is no version in it.
    pub fn of_version_text(text: &str) -> Option<Self> {
        let version = text.split_whitespace().next()?;
        let mut numbers = version.strip_prefix('v').unwrap_or(version).split('.').map(str::parse);
        match (numbers.next()?, numbers.next()?) {
            (Ok(major), Ok(minor)) => Some(Self::of_version(major, minor)),
            (Err(_), _) | (_, Err(_)) => None,
        }
    }
}

/// What is served for one preview, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Whose it is; it names the matchers, so that no two files have one in common.
    pub id: PreviewId,
    /// The label of its main host.
    pub slug: &'a Name,
    /// The domain of all previews.
    pub domain: &'a Domain,
    /// The address of its container.
    pub upstream: Ipv4Addr,
    /// What the main host serves.
    pub routes: &'a [Route],
    /// Its further hosts.
    pub extra_hosts: &'a [ExtraHost],
}

impl Site<'_> {
    /// The host names: `SLUG.DOMAIN` first, then a `PREFIX-SLUG.DOMAIN` for
    /// each extra host.
    pub fn hosts(&self) -> Vec<String> {
        let Self { slug, domain, .. } = self;
        let extra = self.extra_hosts.iter().map(|host| format!("{}-{slug}.{domain}", host.prefix));
        [format!("{slug}.{domain}")].into_iter().chain(extra).collect()
    }

    /// The address of the main host, without a final slash.
    pub fn url(&self) -> String {
        format!("https://{}.{}", self.slug, self.domain)
    }
}

/// The text of a preview's route file.
///
/// For each host a matcher and a `handle`: Caddy takes one `handle` per
/// request, so previews do not see each other's. Inside, `route` keeps the
/// order as written, most specific path first; outside of it Caddy would sort
/// by its own rules.
pub fn route_file(site: &Site, features: CaddyFeatures) -> String {
    let mut text = Text::default();
    text.line(&format!("# Preview {}, written by Berth. It is written anew at every change.", site.id));
    let extra_routes = site.extra_hosts.iter().map(|host| host.routes.as_slice());
    let routes = [site.routes].into_iter().chain(extra_routes);
    for (number, (host, routes)) in site.hosts().iter().zip(routes).enumerate() {
        let matcher = match number {
            0 => format!("@p{}", site.id),
            _ => format!("@p{}_{number}", site.id),
        };
        text.line(&format!("{matcher} host {host}"));
        text.block(&format!("handle {matcher}"), |text| {
            text.block("route", |text| host_routes(text, site.upstream, routes, features));
        });
    }
    text.finish()
}

fn host_routes(text: &mut Text, upstream: Ipv4Addr, routes: &[Route], features: CaddyFeatures) {
    // Set when the answer leaves, so that it also replaces what the preview says.
    text.block("header", |text| {
        text.line(r#"X-Robots-Tag "noindex, nofollow""#);
        text.line("defer");
    });
    for (number, route) in most_specific_first(routes).into_iter().enumerate() {
        one_route(text, number, upstream, route, features);
    }
    if !routes.iter().any(|route| route.path.is_root()) {
        text.block("handle", |text| text.line(r#"respond "this preview serves nothing at this path" 404"#));
    }
}

fn one_route(text: &mut Text, number: usize, upstream: Ipv4Addr, route: &Route, features: CaddyFeatures) {
    let Route { path, strip_prefix, .. } = route;
    if path.is_root() {
        return text.block("handle", |text| proxy(text, upstream, route, features));
    }
    if *strip_prefix {
        // A rewrite without a `?` keeps the query, and `{uri}` is what it made.
        text.block(&format!("handle {path}"), |text| {
            text.block("route", |text| {
                text.line(&format!("rewrite * {path}/"));
                text.line("redir * {uri} 308");
            });
        });
        text.block(&format!("handle {path}/*"), |text| {
            text.line(&format!("uri strip_prefix {path}"));
            proxy(text, upstream, route, features);
        });
    } else {
        text.line(&format!("@r{number} path {path} {path}/*"));
        text.block(&format!("handle @r{number}"), |text| proxy(text, upstream, route, features));
    }
}

fn proxy(text: &mut Text, upstream: Ipv4Addr, route: &Route, features: CaddyFeatures) {
    text.block(&format!("reverse_proxy {upstream}:{}", route.port), |text| {
        if features.stream_close_delay {
            text.line("stream_close_delay 5m");
        }
        // Caddy keeps idle connections of an old configuration for minutes; at
        // an update they would look as if somebody still used the old site.
        text.block("transport http", |text| text.line("keepalive 2s"));
    });
}
