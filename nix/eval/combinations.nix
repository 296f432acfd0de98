# Hosts with each combination of the main switches, and with what an operator may
# switch off by itself: which assertions fail, what is warned of, and what would
# be built. Nothing may fail.
{
  nixpkgs,
  disko ? null,
}:
let
  inherit (import ./system.nix { inherit nixpkgs disko; })
    lib
    host
    facts
    ;

  evaluate = modules: facts (host ([ { services.berth.enable = true; } ] ++ modules));

  previews.services.berth.settings.preview.domain = "preview.example.com";

  # Each switch: the names of its positions, and what they set.
  switches = {
    tls = {
      internal = previews;
      files = {
        imports = [ previews ];
        services.berth.settings.preview.tls = {
          mode = "files";
          certificate = "/run/secrets/origin.pem";
          key = "/run/secrets/origin.key";
        };
      };
      acme = {
        imports = [ previews ];
        services.berth = {
          caddy.environmentFile = "/run/secrets/caddy.env";
          settings.preview.tls = {
            mode = "acme";
            dns = "cloudflare";
            token_variable = "CLOUDFLARE_API_TOKEN";
          };
        };
      };
    };
    postgres = {
      postgres = { };
      no-postgres.services.berth.postgres.enable = false;
    };
    nvidia = {
      nvidia = {
        imports = [ ../../modules/nvidia.nix ];
        services.berth.nvidia.enable = true;
      };
      no-nvidia = { };
    };
    webhook = {
      webhook = app;
      no-webhook = { };
    };
    firewall = {
      nftables.networking.nftables.enable = true;
      iptables = { };
    };
  };

  app.services.berth.settings.github = {
    app_id = 4711;
    app_key = "/run/secrets/app.pem";
    webhook_secret = "/run/secrets/webhook";
    repositories = [ "acme/*" ];
  };

  all = lib.listToAttrs (
    map
      (
        chosen:
        lib.nameValuePair (lib.concatMapStringsSep "_" (one: one.name) chosen) (map (one: one.value) chosen)
      )
      (
        lib.foldl'
          (
            before: switch:
            lib.concatMap (one: map (position: one ++ [ position ]) (lib.attrsToList switch)) before
          )
          [ [ ] ]
          [
            switches.tls
            switches.postgres
            switches.nvidia
            switches.webhook
            switches.firewall
          ]
      )
  );

  # Together with previews of pull requests, which use most of it.
  withAll = module: [
    previews
    app
    module
  ];

  others = {
    agents-only = [ ];
    agents-only_nftables = [ switches.firewall.nftables ];
    agents-only_nvidia = [ switches.nvidia.nvidia ];
    data-centre = [
      switches.nvidia.nvidia
      {
        services.berth.nvidia = {
          driver = "data-centre";
          fabricManager = true;
          cards = 8;
        };
      }
    ];
    # Evaluates for the other platform too.
    aarch64 = withAll { nixpkgs.hostPlatform = "aarch64-linux"; };

    no-daemon = withAll { services.berth.daemon.enable = false; };
    no-network = withAll { services.berth.network.enable = false; };
    no-build-egress = withAll { services.berth.buildEgress.enable = false; };
    no-webhook-metrics = withAll { services.berth.webhook.metrics = false; };
    no-firewall = withAll { networking.firewall.enable = false; };

    own-caddy = withAll {
      services.berth = {
        caddy.enable = false;
        settings.preview.caddy.config = "/etc/caddy/Caddyfile";
      };
    };
    own-resolver = withAll {
      services.berth.network.resolver = "none";
      services.unbound = {
        enable = true;
        settings.server.interface = [
          "127.0.0.1"
          "10.100.0.1"
        ];
      };
    };
    own-databases = withAll {
      services.postgresql = {
        ensureDatabases = [ "shop" ];
        ensureUsers = [
          {
            name = "shop";
            ensureDBOwnership = true;
          }
        ];
        enableTCPIP = true;
      };
    };
    own-sites = withAll {
      services.caddy.virtualHosts."www.example.com".extraConfig = "respond hello";
    };

    networkd = withAll {
      networking.useNetworkd = true;
      networking.useDHCP = false;
    };
    networkmanager = withAll {
      networking.networkmanager = {
        enable = true;
        plugins = lib.mkForce [ ];
      };
    };
    filter-forward = withAll {
      networking.nftables.enable = true;
      networking.firewall.filterForward = true;
    };

    operators = withAll {
      services.berth.operators = [ "ada" ];
      users.users.ada.isNormalUser = true;
    };
    operators_sudo-rs = withAll {
      services.berth.operators = [ "ada" ];
      users.users.ada.isNormalUser = true;
      security.sudo.enable = false;
      security.sudo-rs.enable = true;
    };

    personal-token = [
      previews
      {
        services.berth.settings = {
          subnet = "192.168.64.0/24";
          github = {
            token = "/run/secrets/github-api";
            webhook_secret = "/run/secrets/webhook";
            webhook_secret_previous = "/run/secrets/webhook-old";
            repositories = [ "acme/shop" ];
          };
        };
      }
    ];
    enterprise-server = withAll {
      services.berth.settings = {
        github.api = "https://github.example.com/api/v3";
        preview.forge = "https://github.example.com";
      };
    };
    webhook-elsewhere = withAll {
      services.berth.webhook = {
        hostName = "hooks.example.com";
        listen = "127.0.0.1:9100";
      };
    };
  };
in
lib.mapAttrs (_: evaluate) (all // others)
