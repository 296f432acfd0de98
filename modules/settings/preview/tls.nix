# The section `[preview.tls]`: the certificate of `*.DOMAIN`.
{ lib, ... }:
let
  types = import ../types.nix { inherit lib; };

  optional =
    type: example: description:
    lib.mkOption {
      type = lib.types.nullOr type;
      default = null;
      inherit example description;
    };
in
{
  options.tls = {
    mode = lib.mkOption {
      type = lib.types.enum [
        "internal"
        "files"
        "acme"
      ];
      default = "internal";
      example = "acme";
      description = ''
        Where the certificate comes from: `internal` is Caddy's own authority, which browsers do not
        know; `files` takes `certificate` and `key`; `acme` asks a public authority by the DNS
        challenge, with `dns` and `token_variable`.
      '';
    };

    certificate =
      optional types.file "/run/secrets/origin.pem"
        "File with the certificate and its chain, as PEM.";
    key = optional types.file "/run/secrets/origin.key" ''
      File with the private key of the certificate, as PEM. It must lie outside the Nix store, and
      Caddy must be able to read it.
    '';
    dns = optional types.dnsProvider "cloudflare" ''
      Module of Caddy for the provider of the domain's DNS. Caddy must have been built with it.
    '';
    token_variable = optional types.variable "CLOUDFLARE_TOKEN" ''
      Variable in the environment of Caddy's unit that holds the provider's token.
    '';
  };
}
