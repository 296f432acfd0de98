# The table `inet berth`, and what the host's own firewall must let through for
# it: an accept in one table undoes no drop in another.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  setup = import ./network-setup.nix;
  hasNftables = config.networking.nftables.enable;

  # What the table itself lets containers reach on the host.
  tcp = [ 53 ] ++ lib.optional (cfg.settings.preview != null) 5432;
  udp = [ 53 ];

  list = ports: lib.concatMapStringsSep ", " toString ports;
  from = ''iifname "ve-*" ip saddr ${cfg.settings.subnet}'';
  to = "ip daddr ${cfg.network.servicesAddress}";
in
{
  config = lib.mkIf (cfg.enable && cfg.network.enable) {
    systemd.services.berth-firewall = {
      description = "Firewall of Berth's containers";
      wantedBy = [ "multi-user.target" ];
      after = [
        "firewall.service"
        "nftables.service"
      ];
      # Whoever flushes the whole ruleset takes this table with it.
      partOf = [ "nftables.service" ];
      unitConfig.ReloadPropagatedFrom = [ "nftables.service" ];

      serviceConfig = setup // {
        # One transaction replaces the table: a reload leaves no gap. It stays
        # when the unit ends, since containers go on.
        ExecStart = "${cfg.package}/bin/agent firewall load";
        ExecReload = "${cfg.package}/bin/agent firewall load";

        # Opened: the records, which say what is pinned, and locks.
        ReadWritePaths = "/var/lib/berth /run";
        # Opened: all of it, as SQLite gives its files their owner.
        SystemCallFilter = "@system-service";
      };
      # Its configuration is `berth.toml`, and another version has other rules.
      restartTriggers = [ config.environment.etc."berth/berth.toml".source ];
      reloadIfChanged = true;
    };

    networking.firewall = lib.mkMerge [
      (lib.mkIf hasNftables {
        extraInputRules = ''
          ${from} ${to} udp dport { ${list udp} } accept
          ${from} ${to} tcp dport { ${list tcp} } accept
        '';
        # Read only where `filterForward` is set. Answers pass as such.
        extraForwardRules = "${from} accept";
      })
      (lib.mkIf (!hasNftables) {
        interfaces."ve-+" = {
          allowedUDPPorts = udp;
          allowedTCPPorts = tcp;
        };
      })
    ];

    warnings = lib.optional (hasNftables && config.networking.nftables.flushRuleset) ''
      networking.nftables.flushRuleset is true: every reload of nftables.service takes Berth's firewall
      away for a moment, in which containers reach each other and the host. Move what needs it from
      networking.nftables.ruleset to networking.nftables.tables, and set it to false.
    '';
  };
}
