# What the builds of the Nix daemon may reach. Fixed-output derivations have the
# network of the host: without this, the build of a stranger's pull request
# reaches databases, metadata services and the network behind the host.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;
  egress = cfg.buildEgress;
  setup = import ./network-setup.nix;
  nft = "${pkgs.nftables}/bin/nft";

  closed4 = [
    "0.0.0.0/8"
    "10.0.0.0/8"
    "100.64.0.0/10"
    "127.0.0.0/8"
    "169.254.0.0/16"
    "172.16.0.0/12"
    "192.0.0.0/24"
    "192.88.99.0/24"
    "192.168.0.0/16"
    "198.18.0.0/15"
    "224.0.0.0/4"
    "240.0.0.0/4"
  ];
  closed6 = [
    "::/127"
    "::ffff:0:0/96"
    "64:ff9b::/96"
    "64:ff9b:1::/48"
    "fc00::/7"
    "fe80::/10"
    "ff00::/8"
  ];

  is6 = lib.hasInfix ":";
  allow = one: "    ${if is6 one then "ip6" else "ip"} daddr ${one} accept\n";
  list = lib.concatStringsSep ", ";

  rules = pkgs.writeText "build-egress.nft" egress.rules;
in
{
  options.services.berth.buildEgress = {
    enable = lib.mkEnableOption "limits on what builds may reach" // {
      default = true;
      description = ''
        Whether builds reach the internet only: not the host, its networks, the containers or a
        cloud's metadata service. Names are resolved through the host's loopback.
      '';
    };

    allowedDestinations = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[0-9a-fA-F.:]+(/[0-9]{1,3})?");
      default = [ ];
      example = [ "10.0.0.53" ];
      description = ''
        Addresses and networks that builds reach all the same, such as a mirror in your network, or
        your resolver when it is not on the host's loopback.
      '';
    };

    rules = lib.mkOption {
      type = lib.types.lines;
      internal = true;
      readOnly = true;
      description = "Rules for `nft -f`.";
    };
  };

  config = lib.mkIf (cfg.enable && egress.enable) {
    assertions = [
      {
        assertion = !(config.nix.settings.auto-allocate-uids or false);
        message = ''
          nix.settings.auto-allocate-uids is true, and services.berth.buildEgress knows builds by the
          group nixbld, which they then do not have: set nix.settings.auto-allocate-uids to false, or
          services.berth.buildEgress.enable to false.
        '';
      }
    ];

    services.berth.buildEgress.rules = ''
      table inet berth-build
      delete table inet berth-build
      table inet berth-build {
        chain output {
          type filter hook output priority filter; policy accept;
          # The group of all build users; processes of the daemon itself are root's.
          meta skgid ${toString config.ids.gids.nixbld} jump closed
        }

        chain closed {
          # The resolver of the host.
          ip daddr 127.0.0.0/8 udp dport 53 accept
          ip daddr 127.0.0.0/8 tcp dport 53 accept
          ip6 daddr ::1 udp dport 53 accept
          ip6 daddr ::1 tcp dport 53 accept
      ${lib.concatMapStrings allow egress.allowedDestinations}
          # Every address of the host, the public ones too.
          fib daddr type { local, broadcast, multicast } counter reject with icmpx admin-prohibited
          ip daddr { ${list closed4} } counter reject with icmpx admin-prohibited
          ip6 daddr { ${list closed6} } counter reject with icmpx admin-prohibited
        }
      }
    '';

    systemd.services.berth-build-egress = {
      description = "Firewall of builds";
      wantedBy = [ "multi-user.target" ];
      before = [ "nix-daemon.service" ];
      after = [ "nftables.service" ];
      # Whoever flushes the whole ruleset takes this table with it.
      partOf = [ "nftables.service" ];
      unitConfig.ReloadPropagatedFrom = [ "nftables.service" ];
      reloadIfChanged = true;

      serviceConfig = setup // {
        # One transaction replaces the table.
        ExecStart = "${nft} -f ${rules}";
        ExecReload = "${nft} -f ${rules}";
        ExecStop = "${nft} delete table inet berth-build";
      };
    };
  };
}
