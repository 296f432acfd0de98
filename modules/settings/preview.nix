# The section `[preview]` of berth.toml.
{ lib, ... }:
let
  types = import ./types.nix { inherit lib; };
  limits = import ./limits.nix { inherit lib types; };
in
{
  options.services.berth.settings.preview = lib.mkOption {
    default = null;
    example = {
      domain = "preview.example.com";
    };
    description = "Where previews come from, where they are served, and what they may use. There are none when null.";
    type = lib.types.nullOr (
      lib.types.submodule {
        imports = [
          ./preview/bounds.nix
          ./preview/deadlines.nix
          ./preview/secret.nix
          ./preview/servers.nix
          ./preview/tls.nix
        ];

        options = limits "preview" // {
          domain = lib.mkOption {
            type = types.domain;
            example = "preview.example.com";
            description = "Domain below which each preview has its host name: `SLUG.preview.example.com`.";
          };

          forge = lib.mkOption {
            type = types.forge;
            default = "https://github.com";
            example = "https://github.example.com";
            description = "Base of the addresses of repositories: `FORGE/OWNER/NAME.git`.";
          };

          token = lib.mkOption {
            type = lib.types.nullOr types.file;
            default = null;
            example = "/run/secrets/github";
            description = ''
              File whose one word git sends as password of `x-access-token` to the forge. It must
              lie outside the Nix store. When null, git gets what `settings.github` has, if that is
              the same GitHub, and otherwise reads as everybody may.
            '';
          };

          token_repositories = lib.mkOption {
            type = lib.types.listOf types.repository;
            default = [ ];
            example = [ "acme/old" ];
            description = ''
              Repositories whose previews get `token` as `/etc/preview-token`. Everything that runs
              in such a preview can read what the token can.
            '';
          };

          default_repository = lib.mkOption {
            type = lib.types.nullOr types.repository;
            default = null;
            example = "acme/shop";
            description = "Repository whose pull requests are known by their number alone.";
          };

          default_configuration = lib.mkOption {
            type = lib.types.bool;
            default = false;
            example = true;
            description = ''
              Whether a repository without a `preview-config.nix` gets
              `lib.previewSystem { source = null; }` of the closures flake.
            '';
          };

          reserved = lib.mkOption {
            type = lib.types.listOf types.label;
            default = [ ];
            example = [ "shop" ];
            description = "Slugs that no preview gets, beyond Berth's own list.";
          };
        };
      }
    );
  };
}
