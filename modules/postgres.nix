# PostgreSQL for previews that want a database of the host: Berth's own role,
# the rules that let each preview reach its own database alone, and the address
# at which containers find it. What the operator has in it stays beside.
{ config, lib, ... }:
let
  cfg = config.services.berth;
  preview = cfg.settings.preview;
  postgresql = config.services.postgresql;
  address = cfg.network.servicesAddress;

  # Root administers as Berth's role. A preview reaches the database that is
  # called as its role, whatever preview it is: no line and no reload for each.
  rules = [
    "local  all       ${preview.postgres.role}  peer map=berth"
    "host   sameuser  all  ${cfg.settings.subnet}  scram-sha-256"
    "host   all       all  ${cfg.settings.subnet}  reject"
  ];

  isRule = line: line != "" && !(lib.hasPrefix "#" line);
  allRules = lib.filter isRule (map lib.trim (lib.splitString "\n" postgresql.authentication));

  listensTo = lib.splitString "," (
    lib.replaceStrings [ " " ] [ "" ] (toString postgresql.settings.listen_addresses)
  );
  hears = lib.any (one: lib.elem one listensTo) [
    address
    "*"
    "0.0.0.0"
  ];
  hasFolder = toString preview.postgres.socket == "/run/postgresql";
in
{
  options.services.berth.postgres = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = preview != null;
      defaultText = lib.literalExpression "config.services.berth.settings.preview != null";
      example = false;
      description = ''
        Whether PostgreSQL of this host has the databases of previews. Without it, previews with
        `database = "host"` fail, unless you set up PostgreSQL by hand.
      '';
    };

    maxConnections = lib.mkOption {
      type = lib.types.ints.between 30 100000;
      default = 500;
      example = 1000;
      description = ''
        How many connections PostgreSQL takes in all (`max_connections`). Each preview may have 20:
        500 are enough for 24 previews that use all of theirs, and leave 20 to Berth and to you. Most
        previews use a few, so that many more can run. A value in `services.postgresql.settings` comes
        first.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && cfg.postgres.enable) (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = preview != null;
            message = "services.berth.postgres.enable: there are no databases without previews: set services.berth.settings.preview, or services.postgresql.enable instead";
          }
        ];
      }

      (lib.mkIf (preview != null) {
        assertions = [
          {
            assertion = lib.versionAtLeast (lib.getVersion postgresql.package) "13";
            message = "services.postgresql.package: PostgreSQL ${lib.getVersion postgresql.package} cannot drop a database that is in use: take 13 or newer";
          }
          {
            assertion = lib.take (lib.length rules) allRules == rules;
            message = "services.postgresql.authentication: other rules come before those of Berth, or replace them, so that a preview may reach more than its own database: do not use lib.mkForce there, nor lib.mkOrder below 100";
          }
          {
            assertion = hears;
            message = "services.postgresql.settings.listen_addresses: `${toString postgresql.settings.listen_addresses}` lacks `${address}`, at which previews look for their databases: add it";
          }
          {
            assertion = postgresql.settings.port == 5432;
            message = "services.postgresql.settings.port: `${toString postgresql.settings.port}` is not 5432, at which previews look for their databases: leave it at 5432";
          }
          {
            assertion = hasFolder || postgresql.settings ? unix_socket_directories;
            message = "services.berth.settings.preview.postgres.socket: `${toString preview.postgres.socket}` is not where PostgreSQL of NixOS has its socket: leave it at `/run/postgresql`";
          }
        ];

        services.postgresql = {
          enable = true;
          # Before any other rule: the first that fits counts.
          authentication = lib.mkOrder 100 (lib.concatLines rules);
          identMap = "berth  root  ${preview.postgres.role}";
          ensureUsers = [
            {
              name = preview.postgres.role;
              ensureClauses = {
                login = true;
                createdb = true;
                createrole = true;
              };
            }
          ];
          settings = {
            # NixOS says `localhost`, and `*` with `enableTCPIP`.
            listen_addresses = lib.mkIf (!postgresql.enableTCPIP) (lib.mkOverride 90 "localhost,${address}");
            max_connections = lib.mkDefault cfg.postgres.maxConnections;
            password_encryption = lib.mkDefault "scram-sha-256";
          };
        };

        # PostgreSQL starts without an address that is not there, and does not
        # look again.
        systemd.services.postgresql = lib.mkIf cfg.network.enable {
          wants = [ "berth-services-address.service" ];
          after = [ "berth-services-address.service" ];
        };
      })
    ]
  );
}
