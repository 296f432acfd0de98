# The section `[github]` of berth.toml.
{ lib, ... }:
let
  types = import ./types.nix { inherit lib; };

  secretFile =
    example: description:
    lib.mkOption {
      type = lib.types.nullOr types.file;
      default = null;
      inherit example;
      description = "${description} It must lie outside the Nix store.";
    };
in
{
  options.services.berth.settings.github = lib.mkOption {
    default = null;
    example = lib.literalExpression ''
      {
        app_id = "Iv23liAbC";
        app_key = "/run/secrets/app.pem";
        webhook_secret = "/run/secrets/webhook";
        repositories = [ "acme/*" ];
      }
    '';
    description = "How GitHub is reached, and which pull requests get previews. None are followed when null.";
    type = lib.types.nullOr (
      lib.types.submodule {
        options = {
          api = lib.mkOption {
            type = types.api;
            default = "https://api.github.com";
            example = "https://github.example.com/api/v3";
            description = "Base of the API. Of GitHub Enterprise Server it is `https://HOST/api/v3`.";
          };

          token = secretFile "/run/secrets/github-api" ''
            File with a personal access token. Give this, or `app_id` and `app_key`.
          '';

          app_id = lib.mkOption {
            type = lib.types.nullOr (lib.types.either lib.types.ints.positive types.app);
            default = null;
            example = "Iv23liAbC";
            description = "Client id of the GitHub App that Berth is, or its number.";
          };

          app_key = secretFile "/run/secrets/app.pem" "File with the private key of that App, as PEM.";

          webhook_secret = lib.mkOption {
            type = types.file;
            example = "/run/secrets/webhook";
            description = ''
              File with the secret that deliveries are signed with, 16 bytes at least. It must lie
              outside the Nix store.
            '';
          };

          webhook_secret_previous = secretFile "/run/secrets/webhook-old" ''
            File with the secret before that one, while it is being replaced: both are taken.
          '';

          repositories = lib.mkOption {
            type = lib.types.listOf types.repositories;
            example = [
              "acme/shop"
              "acme/*"
            ];
            description = "What gets previews: repositories, or all of an account.";
          };

          drafts = lib.mkOption {
            type = lib.types.enum [
              "deploy"
              "skip"
            ];
            default = "deploy";
            example = "skip";
            description = "Whether drafts get previews. With `skip` only those that have `label` do.";
          };

          label = lib.mkOption {
            type = types.pullLabel;
            default = "preview";
            example = "deploy me";
            description = "Label that forces the preview of a draft, and approves the commit of a fork.";
          };

          label_forbid = lib.mkOption {
            type = types.pullLabel;
            default = "no-preview";
            example = "stay away";
            description = "Label that forbids a preview.";
          };
        };
      }
    );
  };
}
