# What the units that set up the network have in common: no module, but a set for
# `serviceConfig`. They run once and stay active.
removeAttrs (import ./hardening.nix) [
  # Left out: a /tmp of its own would be there as long as the unit, and that of
  # the host cannot be written.
  "PrivateTmp"
]
// {
  Type = "oneshot";
  RemainAfterExit = true;

  # Opened: interfaces, addresses and the firewall.
  CapabilityBoundingSet = "CAP_NET_ADMIN";
  RestrictAddressFamilies = "AF_UNIX AF_NETLINK";
}
