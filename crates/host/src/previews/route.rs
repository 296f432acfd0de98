//! Leading requests to the berth that serves a preview.

use std::net::Ipv4Addr;

use berth_core::config::PreviewConfig;
use berth_core::site;
use berth_core::slug::is_reserved;
use berth_core::{Meta, Name};

use super::{DeployError, told};
use crate::host::Host;
use crate::routes::{RouteError, Routes};
use crate::state::{BerthRecord, PreviewRecord};

/// The routes of this host.
pub(super) fn routes(host: &Host) -> Routes<'_> {
    Routes::new(&host.layout, &host.locks, host.tools.caddy.as_ref())
}

/// Leads requests for this preview to this berth, and returns when the web
/// server does so.
pub(super) async fn lead_to(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    meta: &Meta,
    berth: &BerthRecord,
) -> Result<(), DeployError> {
    let upstream = address(host, berth)?;
    routes(host).put_site(&site_text(host, config)).await?;
    let text = route_text(host, config, record, meta, upstream).await?;
    routes(host).put(record.id, &text).await?;
    Ok(())
}

/// The text of a preview's route file.
pub(super) async fn route_text(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    meta: &Meta,
    upstream: Ipv4Addr,
) -> Result<String, DeployError> {
    let features = host.tools.caddy.features().await.map_err(RouteError::Check)?;
    Ok(site::route_file(&told::site(config, record, meta, upstream), features))
}

/// The text of the one wildcard site.
pub(super) fn site_text(host: &Host, config: &PreviewConfig) -> String {
    site::wildcard_site(&config.domain, &config.tls, &host.layout.routes_dir().join("*.caddy"))
}

/// The container's address.
pub(super) fn address(host: &Host, berth: &BerthRecord) -> Result<Ipv4Addr, DeployError> {
    let slot = berth.container.slot();
    let subnet = host.config.subnet;
    let addresses = subnet.addresses(slot);
    addresses.map(|pair| pair.container).ok_or(DeployError::NoAddress { slot: slot.get(), subnet })
}

/// The same, unless one of them is kept for the host.
pub(super) fn free_labels(
    config: &PreviewConfig,
    record: &PreviewRecord,
    meta: &Meta,
) -> Result<Vec<Name>, DeployError> {
    let labels = labels(record, meta);
    // Its slug was looked at when it got it.
    let reserved = labels[1..].iter().find(|label| is_reserved(label) || config.reserved.contains(label));
    match reserved {
        Some(label) => Err(DeployError::HostReserved { label: label.clone() }),
        None => Ok(labels),
    }
}

/// The first labels of all host names of a preview that declares this.
pub(super) fn labels(record: &PreviewRecord, meta: &Meta) -> Vec<Name> {
    let extra = meta.extra_hosts.iter().map(|extra| {
        let label = format!("{}-{}", extra.prefix, record.slug);
        label.parse().expect("a prefix and a slug are short enough for one label")
    });
    std::iter::once(record.slug.clone()).chain(extra).collect()
}
