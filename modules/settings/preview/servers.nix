# The sections `[preview.caddy]` and `[preview.postgres]`: how the web server
# and the database server are reached.
{ lib, ... }:
let
  types = import ../types.nix { inherit lib; };
in
{
  options = {
    caddy = {
      config = lib.mkOption {
        type = types.file;
        default = "/etc/caddy/caddy_config";
        example = "/etc/caddy/Caddyfile";
        description = ''
          Caddyfile that `caddy reload` reads. It imports `/var/lib/berth/caddy/*.caddy`. The default
          is where the module of NixOS puts it.
        '';
      };

      admin = lib.mkOption {
        type = types.adminAddress;
        default = "unix//run/caddy/admin.sock";
        example = "unix//run/web/admin.sock";
        description = "Admin endpoint of Caddy. It must be out of reach for containers: a unix socket.";
      };
    };

    postgres = {
      socket = lib.mkOption {
        type = types.file;
        default = "/run/postgresql";
        example = "/run/pg";
        description = "Folder of PostgreSQL's socket.";
      };

      role = lib.mkOption {
        type = types.role;
        default = "berth";
        example = "berth_admin";
        description = "Role with `LOGIN CREATEDB CREATEROLE` that root is let in as.";
      };
    };
  };
}
