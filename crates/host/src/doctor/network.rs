//! The containers' network: the subnet, the services address, the firewall.

use std::net::Ipv4Addr;

use berth_core::Subnet;
use ipnet::Ipv4Net;
use serde::Deserialize;

use super::Finding;
use crate::exec::{ExecError, Invocation};
use crate::firewall_table;
use crate::host::Host;

const SUBNET: &str = "subnet";
const SERVICES: &str = "services address";
const FIREWALL: &str = "firewall";

pub(super) async fn check(host: &Host) -> Vec<Finding> {
    let subnet = host.config.subnet;
    let (routes, addresses, firewall) = tokio::join!(routes(), addresses(), firewall(host));
    vec![
        routes.map_or_else(|error| Finding::unknown(SUBNET, &error), |routes| overlap(subnet, &routes)),
        addresses.map_or_else(|error| Finding::unknown(SERVICES, &error), |found| services(subnet, &found)),
        firewall,
    ]
}

/// A route as `ip -j route` prints it. Other fields are not needed.
#[derive(Debug, Deserialize)]
struct Route {
    dst: String,
    dev: Option<String>,
}

/// An interface as `ip -j address` prints it.
#[derive(Debug, Deserialize)]
struct Interface {
    ifname: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Debug, Deserialize)]
struct Address {
    local: Option<Ipv4Addr>,
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error("`ip` printed what is not its JSON")]
    Json(#[from] serde_json::Error),
}

async fn routes() -> Result<Vec<Route>, AskError> {
    let output =
        Invocation::new("ip").args(["-j", "-4", "route", "show"]).aim("list the routes").run().await?;
    Ok(serde_json::from_slice(output.whole_stdout()?)?)
}

async fn addresses() -> Result<Vec<Interface>, AskError> {
    let output =
        Invocation::new("ip").args(["-j", "-4", "address", "show"]).aim("list the addresses").run().await?;
    Ok(serde_json::from_slice(output.whole_stdout()?)?)
}

fn overlap(subnet: Subnet, routes: &[Route]) -> Finding {
    let clashing = routes.iter().find_map(|route| {
        let net: Ipv4Net = route.dst.parse().or_else(|_| route.dst.parse().map(host_net)).ok()?;
        let device = route.dev.as_deref().unwrap_or("?");
        let is_ours = device.starts_with("ve-") || net.addr() == subnet.services_address();
        let overlaps = subnet.net().contains(&net) || net.contains(&subnet.net());
        (overlaps && !is_ours && net.prefix_len() > 0).then(|| format!("`{net}` on `{device}`"))
    });
    match clashing {
        Some(route) => Finding::error(
            SUBNET,
            format!("{subnet} overlaps the host's route {route}"),
            "configure another `subnet` while there are no agents",
        ),
        None => Finding::ok(SUBNET, format!("{subnet} is free")),
    }
}

fn host_net(address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::new_assert(address, 32)
}

fn services(subnet: Subnet, interfaces: &[Interface]) -> Finding {
    let wanted = subnet.services_address();
    let holder = interfaces
        .iter()
        .find(|interface| interface.addr_info.iter().any(|address| address.local == Some(wanted)));
    match holder {
        Some(interface) => Finding::ok(SERVICES, format!("{wanted} is on `{}`", interface.ifname)),
        None => Finding::error(
            SERVICES,
            format!("{wanted} is on no interface: containers have no resolver"),
            format!(
                "give it to a dummy interface (Berth's NixOS module does): `ip address add {wanted}/32 dev lo`"
            ),
        ),
    }
}

async fn firewall(host: &Host) -> Finding {
    match firewall_table::is_right(host).await {
        Ok(true) => Finding::ok(FIREWALL, "the table `inet berth` is in force and pins every berth"),
        Ok(false) => Finding::fixable(
            FIREWALL,
            "the table `inet berth` is not in force as recorded: no container starts",
        ),
        Err(error) => Finding::unknown(FIREWALL, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn subnet() -> Subnet {
        Subnet::try_from("10.100.0.0/16".parse::<Ipv4Net>().expect("a net")).expect("a subnet")
    }

    fn overlap_of(json: &str) -> Finding {
        overlap(subnet(), &serde_json::from_str::<Vec<Route>>(json).expect("routes"))
    }

    #[test]
    fn a_route_into_the_subnet_is_told_and_berths_own_are_not() {
        for json in [
            r#"[{"dst":"10.100.5.0/24","dev":"wg0"}]"#,
            r#"[{"dst":"10.0.0.0/8","dev":"eth1"}]"#,
            r#"[{"dst":"10.100.0.9","dev":"tun0"}]"#,
        ] {
            assert_eq!(overlap_of(json).severity, Severity::Error, "{json}");
        }
        for json in [
            r#"[{"dst":"default","dev":"eth0"},{"dst":"10.99.0.0/16","dev":"eth0"}]"#,
            r#"[{"dst":"10.100.0.25","dev":"ve-a12"}]"#,
            "[]",
        ] {
            assert_eq!(overlap_of(json).severity, Severity::Ok, "{json}");
        }
    }

    #[test]
    fn the_services_address_is_looked_for_on_every_interface() {
        let on = |json: &str| {
            services(subnet(), &serde_json::from_str::<Vec<Interface>>(json).expect("interfaces"))
        };
        let there = r#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1"},{"local":"10.100.0.1"}]}]"#;
        assert_eq!(on(there).message, "10.100.0.1 is on `lo`");
        assert_eq!(on(r#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1"}]}]"#).severity, Severity::Error);
    }
}
