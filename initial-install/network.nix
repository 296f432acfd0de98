# The uplink: one interface, known by its hardware address, with fixed
# addresses. No router advertisements: what is routed here is written here.
{ config, lib, ... }:
let
  cfg = config.berth.host.network;
  families = lib.filter (family: family != null) [
    cfg.ipv4
    cfg.ipv6
  ];
in
{
  networking = {
    useNetworkd = true;
    useDHCP = false;
    inherit (cfg) nameservers;
  };

  systemd.network.networks."10-uplink" = {
    matchConfig = {
      MACAddress = cfg.mac;
      # Bridges and VLANs take over the address of the interface below them.
      Kind = "!*";
    };
    address = map (family: "${family.address}/${toString family.prefixLength}") families;
    routes = map (family: {
      Gateway = family.gateway;
      # Providers that give a /32 have their router outside of it.
      GatewayOnLink = true;
    }) families;
    networkConfig.IPv6AcceptRA = false;
    linkConfig.RequiredForOnline = "routable";
  };
}
