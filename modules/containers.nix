# What Berth adds to the containers of NixOS.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  amounts = import ../nix/lib/amounts.nix;

  nspawn = "${config.systemd.package}/bin/systemd-nspawn";
  # From 257 on; before it there was nothing to clean up.
  canCleanUp = lib.versionAtLeast config.systemd.package.version "257";
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.security.allowUserNamespaces;
        message = "security.allowUserNamespaces is false, and every container of Berth has a user namespace of its own: set it to true.";
      }
    ];

    boot.enableContainers = true;

    # The template serves imperative containers, so those of Berth. Containers
    # of `containers.NAME` have units of their own.
    systemd.services."container@" = {
      # Nothing starts before it is fenced in; the guard refuses it otherwise.
      wants = [ "berth-firewall.service" ];
      after = [
        "berth-firewall.service"
        "berth-services-address.service"
      ];

      serviceConfig = {
        # First of all: what comes after it works as root on paths that the
        # container owns.
        ExecStartPre = lib.mkBefore (
          [ "${cfg.package}/bin/berth-guard %i" ]
          # An nspawn that was killed leaves mounts in /run/systemd/nspawn, and
          # the next one of that name refuses to start.
          ++ lib.optional canCleanUp "-${nspawn} --quiet --cleanup --machine=%i --directory=/var/lib/nixos-containers/%i"
        );

        # A minute by default, which many starts at once can need. Berth's own
        # deadline ends first, and stops the unit; systemd would start it again.
        TimeoutStartSec = lib.mkForce "${toString (amounts.duration cfg.settings.deadlines.boot + 30)}s";
      };
    };
  };
}
