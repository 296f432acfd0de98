# Caddy, which serves the previews: its admin socket, the folder of Berth's
# sites, and its token for the provider of the domain's DNS. What the operator
# serves with `services.caddy.virtualHosts` stays beside it.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;
  preview = cfg.settings.preview;
  caddy = config.services.caddy;
  types = import ./settings/types.nix { inherit lib; };
  outsideStore = import ../nix/lib/secret-file.nix;

  configPath = "/etc/caddy/caddy_config";
  # Where NixOS puts the Caddyfile, or a further place where the operator does.
  isConfig =
    path:
    path == configPath
    || lib.hasPrefix "/etc/" path && config.environment.etc ? ${lib.removePrefix "/etc/" path};
  socketFolder = "unix//run/caddy/";
  isAcme = preview.tls.mode == "acme";

  # The priority of an option that nobody has set.
  isUnset = option: option.highestPrio >= (lib.mkOptionDefault null).priority;
  words = text: lib.filter (line: line != "") (map lib.trim (lib.splitString "\n" text));
  adminLines = lib.filter (lib.hasPrefix "admin ") (words caddy.globalConfig);

  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
  check =
    name: command:
    pkgs.runCommand name { } ''HOME="$TMPDIR" ${lib.getExe caddy.package} ${command} | tee "$out"'';
in
{
  options.services.berth.caddy = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = preview != null;
      defaultText = lib.literalExpression "config.services.berth.settings.preview != null";
      example = false;
      description = ''
        Whether Caddy of this host serves the previews. Without it, bring a Caddy of your own as
        `caddy/Caddyfile` has it, and say in `settings.preview.caddy` where it is.
      '';
    };

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.caddy;
      defaultText = lib.literalExpression "pkgs.caddy";
      example = lib.literalExpression ''
        pkgs.caddy.withPlugins {
          plugins = [ "github.com/caddy-dns/cloudflare@v0.2.1" ];
          # The build tells the right one.
          hash = lib.fakeHash;
        }
      '';
      description = ''
        Caddy, 2.6 or newer. `settings.preview.tls.mode = "acme"` needs one with the module
        `dns.providers.NAME` of `settings.preview.tls.dns`, which the plain package does not have.
      '';
    };

    environmentFile = lib.mkOption {
      type = lib.types.nullOr types.file;
      default = null;
      example = "/run/secrets/caddy.env";
      description = ''
        File with lines `NAME=value` for the environment of Caddy, as systemd reads them:
        `settings.preview.tls.token_variable` is one of the names. Only root needs to be able to read
        it. It must lie outside the Nix store. Restart `caddy` after a change of its content.
      '';
    };

    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether the host's firewall lets in HTTP and HTTPS: TCP 80 and 443, and UDP 443 for HTTP/3.";
    };

    checkConfig = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = ''
        Whether the build reads the whole Caddyfile with Caddy, so that a mistake stops the build and
        not the reload. Turn it off if your own sites import files that only this host has.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && cfg.caddy.enable) (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = preview != null;
            message = "services.berth.caddy.enable: there is nothing to serve without previews: set services.berth.settings.preview, or services.caddy.enable instead";
          }
        ];
      }

      (lib.mkIf (preview != null) {
        assertions = [
          {
            assertion = isConfig (toString preview.caddy.config);
            message = "services.berth.settings.preview.caddy.config: `${toString preview.caddy.config}` is not where NixOS puts the Caddyfile: leave it at `${configPath}`, or set services.berth.caddy.enable = false";
          }
          {
            assertion = lib.hasPrefix socketFolder preview.caddy.admin;
            message = "services.berth.settings.preview.caddy.admin: `${preview.caddy.admin}` is not in the folder that only Caddy and root enter: take `${socketFolder}admin.sock`, or set services.berth.caddy.enable = false";
          }
          {
            assertion = lib.length adminLines == 1;
            message = "services.caddy.globalConfig: `${lib.last adminLines}` is a second admin endpoint: take it out, Berth sets `admin ${preview.caddy.admin}`";
          }
          {
            assertion = isUnset options.services.caddy.configFile && caddy.settings == { };
            message = "services.caddy.configFile and services.caddy.settings take the place of the Caddyfile that imports the previews: use services.caddy.virtualHosts and services.caddy.extraConfig, or set services.berth.caddy.enable = false";
          }
          {
            assertion = !caddy.resume;
            message = "services.caddy.resume: `true` makes Caddy start with old routes: set it to false";
          }
          {
            assertion = !(caddy.virtualHosts ? "*.${preview.domain}");
            message = "services.caddy.virtualHosts: `*.${preview.domain}` is the site of the previews: take another name";
          }
          {
            # That the variable has no name is told by `settings`.
            assertion =
              !isAcme
              || preview.tls.token_variable == null
              || config.systemd.services.caddy.serviceConfig.EnvironmentFile or [ ] != [ ];
            message = "services.berth.caddy.environmentFile: Caddy gets no `${toString preview.tls.token_variable}`, which services.berth.settings.preview.tls.token_variable names: set it to a file with that variable";
          }
        ]
        ++ lib.optional (cfg.caddy.environmentFile != null) (
          outsideStore "services.berth.caddy.environmentFile" cfg.caddy.environmentFile
        );

        services.caddy = {
          enable = true;
          package = lib.mkDefault cfg.caddy.package;
          globalConfig = lib.replaceStrings [ "unix//run/caddy/admin.sock" ] [ preview.caddy.admin ] (
            builtins.readFile ../caddy/berth-global.caddy
          );
          # The pattern may match nothing, so that Caddy starts before the first
          # preview.
          extraConfig = ''
            import /var/lib/berth/caddy/*.caddy
          '';
        };

        systemd.services.caddy.serviceConfig = {
          # Only Caddy and root enter: over TCP, what Caddy proxies to could reach
          # the admin endpoint.
          RuntimeDirectory = "caddy";
          RuntimeDirectoryMode = "0700";
          EnvironmentFile = lib.mkIf (cfg.caddy.environmentFile != null) [
            (toString cfg.caddy.environmentFile)
          ];
        };

        # Berth reloads with the same Caddy that runs.
        environment.systemPackages = [ caddy.package ];

        networking.firewall = lib.mkIf cfg.caddy.openFirewall {
          allowedTCPPorts = [
            80
            443
          ];
          allowedUDPPorts = [ 443 ];
        };

        system.checks = lib.optionals canRun (
          lib.optional cfg.caddy.checkConfig (
            check "berth-caddyfile" "adapt --adapter caddyfile --config ${caddy.configFile}"
          )
          ++ lib.optional isAcme (
            check "berth-caddy-modules" "list-modules | grep -Fx dns.providers.${toString preview.tls.dns}"
          )
        );
      })
    ]
  );
}
