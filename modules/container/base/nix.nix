# The host's Nix daemon, whose socket NixOS binds into every container.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.berth.nix;
  socketFolder = "/nix/var/nix/daemon-socket";
in
{
  options.berth.nix.enable = lib.mkOption {
    type = lib.types.bool;
    default = false;
    example = true;
    description = ''
      Gives the guest the tools of Nix and leaves it the host's Nix daemon, as an
      untrusted user: it builds in the daemon's sandbox, within the daemon's
      limits. Without it the socket of the daemon is covered, so that what runs
      in the guest asks the host for nothing; root inside could uncover it.

      On for agents, off for previews.
    '';
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      nix = {
        enable = true;
        channel.enable = lib.mkDefault false;
        settings.experimental-features = [
          "nix-command"
          "flakes"
        ];
      };
    })

    (lib.mkIf (!cfg.enable) {
      nix.enable = false;

      # A service, since for a mount unit the host's bind counts as mounted.
      systemd.services.berth-cover-nix-daemon = {
        description = "Cover the socket of the host's Nix daemon";
        wantedBy = [ "sysinit.target" ];
        before = [ "sysinit.target" ];
        unitConfig = {
          DefaultDependencies = false;
          ConditionPathIsDirectory = socketFolder;
        };
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${lib.getBin pkgs.util-linux}/bin/mount -t tmpfs -o mode=0700,size=4k,nosuid,nodev,noexec tmpfs ${socketFolder}";
        };
      };
    })
  ];
}
