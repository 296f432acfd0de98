# The section `[agent]` of berth.toml.
{ lib, ... }:
let
  types = import ./types.nix { inherit lib; };
  limits = import ./limits.nix { inherit lib types; };
in
{
  options.services.berth.settings.agent = limits "agent" // {
    authorized_keys = lib.mkOption {
      type = lib.types.listOf types.authorizedKey;
      default = [ ];
      example = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI ada" ];
      description = "Public keys that may log in to every new agent, for `ssh -J`.";
    };

    credential = lib.mkOption {
      type = lib.types.listOf (
        lib.types.submodule {
          options = {
            name = lib.mkOption {
              type = types.credential;
              example = "claude";
              description = "Name of the file below `/etc/berth/credentials` inside.";
            };

            source = lib.mkOption {
              type = types.file;
              example = "/run/secrets/claude";
              description = "File of the host that is copied in, 1 MiB at most. It must lie outside the Nix store.";
            };

            owner = lib.mkOption {
              type = lib.types.enum [
                "agent"
                "root"
              ];
              default = "agent";
              example = "root";
              description = "Who owns the file inside, and alone may read it.";
            };

            mode = lib.mkOption {
              type = lib.types.enum [
                "0400"
                "0600"
              ];
              default = "0400";
              example = "0600";
              description = "Permission bits of the file inside.";
            };
          };
        }
      );
      default = [ ];
      example = lib.literalExpression ''
        [ { name = "claude"; source = config.sops.secrets.claude.path; } ]
      '';
      description = ''
        Files that every new agent gets a copy of. They are read when an agent is created or
        started, and are never written anywhere else.
      '';
    };
  };
}
