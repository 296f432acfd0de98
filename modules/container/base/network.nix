# The network as the container's first process has made it.
{ lib, pkgs, ... }:
{
  networking = {
    useDHCP = false;
    # The host binds a read-only /etc/resolv.conf that names the services address.
    useHostResolvConf = false;
    resolvconf.enable = false;
    # The host's table `inet berth` lets in the host alone and restricts what goes
    # out, where root inside cannot change it. A second one here would need every
    # port opened that a route goes to, and kernel modules that no container loads.
    firewall.enable = lib.mkDefault false;
  };
  services.resolved.enable = lib.mkDefault false;

  # Ping without a set-user-id program. The range that NixOS asks for ends
  # beyond the 65536 ids that a container has, and is refused there.
  boot.kernel.sysctl."net.ipv4.ping_group_range" = lib.mkForce "0 65535";

  # Small writes wait for the acknowledgement of the one before, which Linux holds
  # back for up to 40 ms. The host does the same on its side of the link.
  systemd.services.berth-route = {
    description = "Quick acknowledgements to the host";
    wantedBy = [ "multi-user.target" ];
    before = [ "network.target" ];
    path = [ pkgs.iproute2 ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    # Word by word: what `ip` shows of a route may end in `linkdown`, which it
    # does not take. During boot the host's end is still down.
    script = ''
      read -r default via host dev link _ <<<"$(ip -4 route show default)"
      [ "$default $via $dev" != "default via dev" ] || ip -4 route change default via "$host" dev "$link" quickack 1
    '';
  };
}
