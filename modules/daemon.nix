# `berthd`: pull requests drive previews, what should run does, and what has
# outlived its time goes.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  amounts = import ../nix/lib/amounts.nix;
  hardening = import ./hardening.nix;

  # Deployments under way get `daemon.shutdown` to take back what they did, and
  # berthd the rest to end its tools.
  stopSeconds = amounts.duration cfg.settings.daemon.shutdown + 30;

  # Opened by leaving them out:
  isLeftOut = [
    # journalctl asks /proc/sys for the boot.
    "ProcSubset"
    # Set-id bits of files in a container's root are kept.
    "RestrictSUIDSGID"
  ];

  # What berthd gives up by itself, so that it never has it
  # (crates/daemon/src/rights.rs). Opened:
  capabilities = [
    # Files in roots of containers belong to shifted users.
    "CAP_CHOWN"
    "CAP_DAC_OVERRIDE"
    "CAP_DAC_READ_SEARCH"
    "CAP_FOWNER"
    "CAP_FSETID"
    # Tools that run as other users are ended at their deadlines.
    "CAP_KILL"
    # Journals of containers are read as nobody.
    "CAP_SETUID"
    "CAP_SETGID"
    # That, and it takes out of the bounding set what is not here.
    "CAP_SETPCAP"
    # /var/empty of a container is immutable.
    "CAP_LINUX_IMMUTABLE"
    # The firewall table.
    "CAP_NET_ADMIN"
    # `systemd-run -M` enters a container's namespaces to reach its bus.
    "CAP_SYS_ADMIN"
    "CAP_SYS_CHROOT"
    "CAP_SYS_PTRACE"
  ];
in
{
  options.services.berth.daemon.enable = lib.mkOption {
    type = lib.types.bool;
    default = true;
    example = false;
    description = ''
      Whether `berthd` runs. Without it no pull request is followed, nothing is started after a
      reboot, and nothing ends when its time to live is over.

      `nixos-rebuild switch` restarts it when Berth or `/etc/berth/berth.toml` has changed, and waits
      for it: deployments under way get `settings.daemon.shutdown` to take back what they did, and
      begin anew afterwards. What runs goes on running.
    '';
  };

  config = lib.mkIf (cfg.enable && cfg.daemon.enable) {
    systemd.services.berthd = {
      description = "Makes pull requests drive previews";
      wantedBy = [ "multi-user.target" ];
      after = [
        "network.target"
        "postgresql.service"
        "caddy.service"
      ];
      # What was under way is taken up again: it must always come back.
      startLimitIntervalSec = 0;

      restartTriggers = [ config.environment.etc."berth/berth.toml".source ];
      # The old one works on until the new one is in place.
      stopIfChanged = false;

      # No `path`: it looks for its tools in the system's path and nowhere else,
      # so that it calls the same ones as the command lines.
      serviceConfig = removeAttrs hardening isLeftOut // {
        Type = "notify";
        NotifyAccess = "main";
        ExecStart = "${cfg.package}/bin/berthd";
        Restart = "always";
        RestartSec = "1s";
        WatchdogSec = "1min";
        TimeoutStopSec = "${toString stopSeconds}s";
        # SIGTERM is for berthd alone, which ends its tools itself.
        KillMode = "mixed";
        LimitNOFILE = 65536;

        # Opened: see above.
        CapabilityBoundingSet = lib.concatStringsSep " " capabilities;
        # Opened: state of Berth, of containers and of Nix, whose store root opens
        # without the daemon; locks and sockets; folders of limits that
        # `systemctl revert` leaves empty (systemd/system.control) are removed.
        ReadWritePaths = "/var /run /nix /etc/systemd";
        # Opened: nixos-container writes its own folder, which need not be there.
        ConfigurationDirectory = "nixos-containers";
        # Opened: route files and sites are for Caddy to read; what is secret is
        # made so.
        UMask = "0022";
        # Opened: the namespaces of a container that `systemd-run -M` enters.
        RestrictNamespaces = "mnt pid user";
        # Opened: GitHub; the buses, PostgreSQL, Nix and Caddy; the firewall and
        # addresses.
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
        # Opened: all of @system-service; @mount, to enter a container's root, to
        # unmount what a removed one left, and as Nix makes a read-only store
        # writable for itself.
        SystemCallFilter = "@system-service @mount";
      };
    };
  };
}
