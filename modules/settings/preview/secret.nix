# The sections `[[preview.secret]]`: secrets of the host, and who gets them.
{ lib, ... }:
let
  types = import ../types.nix { inherit lib; };
in
{
  options.secret = lib.mkOption {
    default = [ ];
    example = [
      {
        name = "STRIPE_KEY";
        source = "/run/secrets/stripe";
        repositories = [ "acme/shop" ];
      }
    ];
    description = ''
      Secrets of the host that previews of some repositories get. A preview gets one only when its
      repository asks for it by this name and is listed.
    '';
    type = lib.types.listOf (
      lib.types.submodule {
        options = {
          name = lib.mkOption {
            type = types.variable;
            example = "STRIPE_KEY";
            description = "Name by which repositories ask for it, and the variable that holds it.";
          };

          source = lib.mkOption {
            type = types.file;
            example = "/run/secrets/stripe";
            description = "File of the host with one line of text. It must lie outside the Nix store.";
          };

          repositories = lib.mkOption {
            type = lib.types.listOf types.repository;
            example = [ "acme/shop" ];
            description = "Repositories whose previews get it when they ask.";
          };
        };
      }
    );
  };
}
