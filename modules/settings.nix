# `services.berth.settings`: the typed mirror of `/etc/berth/berth.toml`, with
# the keys of the file. The text is rendered by evaluation alone; building it
# asks Berth's programs whether they take it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;
  types = import ./settings/types.nix { inherit lib; };

  render = import ../nix/lib/toml.nix {
    order = [
      # As docs/configuration.md has them.
      "subnet"
      "closures"
      "public_host"
      "ownership"
      "name"
      "source"
      "owner"
      "mode"
      "repositories"
      "certificate"
      "key"
      "dns"
      "token_variable"
      "domain"
      "forge"
      "api"
      "token"
      "app_id"
      "app_key"
      "webhook_secret"
      "webhook_secret_previous"
      "ttl"
      "memory"
      "cpus"
      "tasks"
      "authorized_keys"
      "default_repository"
      "default_configuration"
      "reserved"
      "token_repositories"
      "drafts"
      "label"
      "label_forbid"
      "config"
      "admin"
      "socket"
      "role"
      "repository"
      "evaluation_memory"
      "evaluation_time"
      "build_silence"
      "closure"
      "free"
      "closures_kept"
      "fetch"
      "setup"
      "ready"
      "drain"
      "workers"
      "starts"
      "attempts"
      "reconcile"
      "compare"
      "shutdown"
      "spool"
      "boot"
      "stop"
      "build"
      # Sections.
      "agent"
      "preview"
      "github"
      "gpu"
      "daemon"
      "credential"
      "tls"
      "secret"
      "caddy"
      "postgres"
      "bounds"
      "deadlines"
    ];
  };

  toml = pkgs.writeText "berth.toml" cfg.toml;
  # `preview` reads the sections of previews, `agent` the rest too.
  checkedToml = pkgs.runCommand "berth-checked.toml" { inherit toml; } ''
    ${cfg.package}/bin/agent check-config "$toml"
    ${cfg.package}/bin/preview check-config "$toml"
    cp "$toml" "$out"
  '';
in
{
  imports = [
    ./settings/agent.nix
    ./settings/assertions.nix
    ./settings/daemon.nix
    ./settings/deadlines.nix
    ./settings/github.nix
    ./settings/gpu.nix
    ./settings/preview.nix
  ];

  options.services.berth = {
    settings = {
      subnet = lib.mkOption {
        type = types.subnet;
        default = "10.100.0.0/16";
        example = "192.168.64.0/20";
        description = ''
          Private network of the containers, /16 (32,512 berths) to /24 (127 berths). Change it only
          while there are no agents.
        '';
      };

      closures = lib.mkOption {
        type = types.flake;
        default = "path:/etc/berth/closures";
        example = "github:acme/closures";
        description = "Flake with `nixosConfigurations.agent`, without `#`.";
      };

      public_host = lib.mkOption {
        type = lib.types.nullOr types.host;
        default = null;
        example = "berth.example.com";
        description = "How people outside reach this host: `agent create` prints it in the line for `ssh -J`.";
      };

      ownership = lib.mkOption {
        type = lib.types.enum [
          "auto"
          "map"
          "chown"
        ];
        default = "auto";
        example = "chown";
        description = ''
          How the files of a container get their owner: `map` through an idmapped mount, `chown` by
          changing them at the first start, `auto` maps where the file system can.
        '';
      };
    };

    toml = lib.mkOption {
      type = lib.types.str;
      internal = true;
      readOnly = true;
      description = "Text of `/etc/berth/berth.toml`.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.berth.toml = ''
      # Written from `services.berth.settings`.
      ${render cfg.settings}'';

    environment.etc."berth/berth.toml".source = checkedToml;
  };
}
